"""Numbers that lead the rules about what layers do to a state to each of their verdicts."""

PLANTED = {
    "A2": {
        "supported": [
            numbers := {"token": 0.1, "neighbours": 0.9, "diagonal": 0.1, "linear": 0.4},
            numbers | {"diagonal": 0.3, "linear": 0.1},
        ],
        "qualified": [numbers | {"token": 0.3}, numbers | {"linear": 0.15}],
        "refuted": [numbers | {"token": 0.6}],
    },
    "A15": {
        "supported": [
            numbers := {"nearer": 0.6, "nearer_to_another": 0.5, "straightness": 0.45,
                        "straightness_of_walk": 0.4},
            numbers | {"nearer": 0.8, "nearer_to_another": 0.75},
        ],
        "qualified": [numbers | {"nearer": 0.8}, numbers | {"straightness": 0.6}],
        "refuted": [numbers | {"nearer": 0.8, "straightness": 0.6}],
    },
    "A16": {
        "supported": [
            numbers := {"diagonal": 0.6, "rotated": 0.4, "scalar": 0.3, "principal": 0.4,
                        "rank_one": 0.3, "linear": 0.8, "kurtosis": 3, "kurtosis_rotated": 0},
        ],
        "qualified": [numbers | {"diagonal": 0.44}, numbers | {"rotated": 0.57}],
        "refuted": [numbers | {"rotated": 0.59}, numbers | {"diagonal": 0.05, "rotated": 0}],
    },
    "B32": {
        "supported": [
            numbers := {"probability_abb": 0.9, "probability_bab": 0.9, "follows_giver": 0.95,
                        "change_point": 0.7, "lead_halfway": 0.3, "lead_at_end": 3,
                        "lead_of_strangers": 0.3, "lead_over_stranger": 4, "captured": 0.3,
                        "captured_by_chance": 0.03},
        ],
        "qualified": [numbers | {"follows_giver": 0.7}, numbers | {"lead_halfway": 1},
                      numbers | {"captured": 0.7}, numbers | {"lead_of_strangers": 1.5}],
        "refuted": [numbers | {"lead_halfway": 2}, numbers | {"follows_giver": 0.4},
                    numbers | {"captured": 0.95}, numbers | {"lead_at_end": -1}],
    },
    "B35": {
        "supported": [
            numbers := {"cosine_input": 0.4, "rotated_input": 0.2, "input_left": 0.4,
                        "cosine_output": 0.4, "rotated_output": 0.2, "output_reached": 0.4},
        ],
        "qualified": [numbers | {"input_left": 0.05}, numbers | {"output_reached": 0.0}],
        "refuted": [numbers | {"input_left": 0.95}, numbers | {"output_reached": 1.1}],
    },
}  # fmt: skip
