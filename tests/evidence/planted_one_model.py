"""Numbers that lead the rules of claims on one model to each of their verdicts."""

PLANTED = {
    "A8": {
        "supported": [{"share_that_grow": 1, "growth": 3}],
        "qualified": [{"share_that_grow": 0.8, "growth": 3}],
        "refuted": [{"share_that_grow": 0.8, "growth": 0.9}, {"share_that_grow": 0.4, "growth": 3}],
    },
    "A9": {
        "supported": [numbers := {"cosine": 0.95, "right_angle_growth": 0.92,
                                  "right_angle_step": 0.92, "with_embedding": 0.6,
                                  "update_cosine": 0.2, "update_centred": 0.1}],
        "qualified": [numbers | {"right_angle_step": 0.94}, numbers | {"right_angle_growth": 0.94},
                      numbers | {"with_embedding": 0.4}],
        "refuted": [numbers | {"cosine": 0.9}],
    },
    "A10": {
        "supported": [{"rank_with_layer": 0.9, "share_larger": 0.7}],
        "qualified": [{"rank_with_layer": 0.5, "share_larger": 0.7}],
        "refuted": [{"rank_with_layer": -0.1, "share_larger": 0.7}],
    },
    "A11": {
        "supported": [numbers := {"least_cosine": 0.9, "right_angle_growth": 0.87,
                                  "right_angle_step": 0.88, "growth_per_layer": 1.15,
                                  "exponential": 0.99, "square_root": 0.9}],
        "qualified": [numbers | {"square_root": 0.999}, numbers | {"growth_per_layer": 1.01},
                      numbers | {"least_cosine": 0.8}],
        "refuted": [numbers | {"least_cosine": 0.8, "growth_per_layer": 1.01}],
    },
    "A13": {
        "supported": [{"by_adding": 0.66, "by_alignment": 0.34}],
        "qualified": [{"by_adding": 0.32, "by_alignment": 0.68}],
        "refuted": [{"by_adding": 0.05, "by_alignment": 0.95}],
    },
    "A14": {
        "supported": [{"flips": 0.01, "flips_at_random": 0.1}],
        "qualified": [{"flips": 0.03, "flips_at_random": 0.1}],
        "refuted": [{"flips": 0.2, "flips_at_random": 0.1}],
    },
    "B2": {
        "supported": [numbers := {"cosine": 0.95, "nearest": 0.4, "cosine_at_random": 0.7,
                                  "nearest_at_random": 0.3}],
        "qualified": [numbers | {"nearest": 0.9}, numbers | {"cosine": 0.8},
                      numbers | {"cosine_at_random": 0.84}],
        "refuted": [numbers | {"cosine": 0.9, "nearest": 0.97}],
    },
    "B4": {
        "supported": [{"back": 1}], "qualified": [{"back": 0.7}], "refuted": [{"back": 0.1}],
    },
    "B10": {"by algebra": [{"error": 0}], "refuted": [{"error": 1e-9}]},
    "B11": {
        "by algebra": [{"mean_peak": 1, "lowest_peak": 0.999, "noise": 0}],
        "qualified": [{"mean_peak": 0.97, "lowest_peak": 0.5, "noise": 0.1}],
        "refuted": [{"mean_peak": 0.01, "lowest_peak": 0, "noise": 0.01}],
    },
    "B12": {
        "supported": [{"by_inverse": 0.8, "by_cosine": 0.7, "by_chance": 0.01}],
        "qualified": [{"by_inverse": 0.3, "by_cosine": 0.7, "by_chance": 0.01}],
        "refuted": [{"by_inverse": 0.05, "by_cosine": 0.7, "by_chance": 0.01},
                    {"by_inverse": 0.3, "by_cosine": 0.7, "by_chance": 0.2}],
    },
    "B36": {
        ruling: [{"share_of_layers": share, "at_half_depth": 1, "mean_prediction": 1}]
        for ruling, share in (("supported", 0.8), ("qualified", 0.5), ("refuted", 0.1))
    },
    "B16": {
        "supported": [{"change_of_what_is_read": 0, "output_kl": 0}],
        "qualified": [{"change_of_what_is_read": 0, "output_kl": 0.1}],
        "refuted": [{"change_of_what_is_read": 0.5, "output_kl": 0}],
    },
    "B18": {"by algebra": [{"leak_from_later": 0}], "refuted": [{"leak_from_later": 0.1}]},
    "B21": {
        "by algebra": [{"error": 1e-7, "triangles_broken": 0.6}],
        "refuted": [{"error": 0.1, "triangles_broken": 0}],
    },
    "B22": {
        "by algebra": [{"probability_when_cold": 0.999, "short_of_uniform_when_hot": 0}],
        "refuted": [{"probability_when_cold": 0.5, "short_of_uniform_when_hot": 0},
                    {"probability_when_cold": 0.999, "short_of_uniform_when_hot": 0.1}],
    },
    "B23": {
        "by algebra": [{"lowest_times_n": 1.01, "highest": 0.999}],
        "refuted": [{"lowest_times_n": 2, "highest": 0.999}, {"lowest_times_n": 1, "highest": 0.5}],
    },
    "B24": {
        "supported": [{"nearest_differs": 0.2}], "qualified": [{"nearest_differs": 0.05}],
        "refuted": [{"nearest_differs": 0}],
    },
    "B26": {"supported": [{"spread": 1.2}], "qualified": [{"spread": 2}],
            "refuted": [{"spread": 4}]},
    "B28": {
        "by algebra": [{"entropy_fall_after_norm": 1, "entropy_fall_before_norm": 1}],
        "qualified": [{"entropy_fall_after_norm": 1, "entropy_fall_before_norm": 0}],
        "refuted": [{"entropy_fall_after_norm": 0, "entropy_fall_before_norm": 0}],
    },
    "B29": {"by algebra": [{"short_of_uniform": 0}], "refuted": [{"short_of_uniform": 0.5}]},
    "B31": {
        "supported": [{"rank_with_entropy": -0.7, "entropy_fall_before_norm": 1}],
        "qualified": [{"rank_with_entropy": -0.3, "entropy_fall_before_norm": 1}],
        "refuted": [{"rank_with_entropy": -0.7, "entropy_fall_before_norm": 0},
                    {"rank_with_entropy": 0.3, "entropy_fall_before_norm": 1}],
    },
    "B37": {
        ruling: [{"share_with_length": share, "kl_longer": 1, "kl_turned": 1,
                  "kl_turned_at_random": 1}]
        for ruling, share in (("supported", 0.6), ("qualified", 0.3), ("refuted", 0.01))
    },
    "C3": {"by algebra": [{"kl_of_shift": 0}], "refuted": [{"kl_of_shift": 0.1}]},
    "C5": {"supported": [{"entropy_range": 1}], "qualified": [{"entropy_range": 0.05}],
           "refuted": [{"entropy_range": 0}]},
    "C7": {
        "supported": [{"rank_cosine": 0.9, "rank_nearness": 0.7, "gap_at_random": 0.1}],
        "qualified": [{"rank_cosine": 0.9, "rank_nearness": 0.7, "gap_at_random": 0.19},
                      {"rank_cosine": 0.9, "rank_nearness": 0.88, "gap_at_random": -0.1}],
        "refuted": [{"rank_cosine": 0.7, "rank_nearness": 0.9, "gap_at_random": 0}],
    },
    "C8": {
        "supported": [{"right_by_dot": 0.5, "right_by_nearest": 0.4}],
        "qualified": [{"right_by_dot": 0.5, "right_by_nearest": 0.49}],
        "refuted": [{"right_by_dot": 0.4, "right_by_nearest": 0.5}],
    },
    "C9": {
        "by algebra": [{"error_unembedding": 0, "error_with_norm": 0}],
        "qualified": [{"error_unembedding": 0, "error_with_norm": 0.5}],
        "refuted": [{"error_unembedding": 0.1, "error_with_norm": 0}],
    },
}  # fmt: skip
