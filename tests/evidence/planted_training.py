"""Numbers that lead the rules on training, gradients and heads to each of their verdicts."""

PLANTED = {
    "A12": {
        "supported": [numbers := {"kept_residual": 1.0, "kept_unscaled": 2.5, "kept_norm": 0.7,
                                  "kept_both": 0.9, "kept_neither": 0.5, "deep_neither": 1e-8}],
        "qualified": [numbers | {"kept_norm": 0.99}, numbers | {"kept_both": 0.79}],
        "refuted": [numbers | {"kept_residual": 0.6}, numbers | {"kept_neither": 0.85}],
    },
    "C1": {
        "supported": [numbers := {"length": 6.93, "root": 6.93, "spread": 0.001, "without": 0.7,
                                  "with_norm": 0.9, "cosine": 0.85, "distance": 0.8}],
        "qualified": [numbers | {"cosine": 0.95}, numbers | {"distance": 1.0}],
        "refuted": [numbers | {"spread": 0.02}, numbers | {"without": 0.86},
                    numbers | {"cosine": 1.0, "distance": 0.7}],
    },
    "C2": {
        "supported": [numbers := {"bare": 0.9, "bare_turned": 0.5, "normed": 0.93,
                                  "distance": 0.88}],
        "qualified": [numbers | {"distance": 0.8}, numbers | {"bare_turned": 0.87},
                      numbers | {"normed": 0.8}],
        "refuted": [numbers | {"normed": 0.96}],
    },
    "C4": {
        "supported": [numbers := {"right": 4.0, "wrong": -2.0, "untrained": 4.0,
                                  "directions": 2.5, "lengths": 4.1, "trained": 2.0}],
        "qualified": [numbers | {"directions": 3.3}, numbers | {"lengths": 3.9},
                      numbers | {"wrong": 1.0}],
        "refuted": [numbers | {"lengths": 2.4}, numbers | {"right": -3.0}],
    },
    "C6": {
        "supported": [numbers := {"kl_normed": 1e-5, "kl_normed_turned": 0.2, "added_bare": 0.1,
                                  "added_bare_turned": 0.3, "added_untrained": 0.0}],
        "qualified": [numbers | {"added_bare": 0.02}],
        "refuted": [numbers | {"kl_normed": 0.1}, numbers | {"added_bare": 0.0005},
                    numbers | {"added_untrained": 0.15}],
    },
}  # fmt: skip
