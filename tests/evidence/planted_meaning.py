"""Numbers that lead the rules of claims about meaning and analogies to each of their verdicts."""

PLANTED = {
    "A1": {
        "supported": [numbers := {"least_purity": 0.7, "most_purity": 0.8, "shuffled": 0.2,
                                  "untrained": 0.1, "least_map": 0.6, "most_map": 0.9}],
        "qualified": [numbers | {"least_purity": 0.5}, numbers | {"least_map": 0.4},
                      numbers | {"shuffled": 0.5}, numbers | {"untrained": 0.5}],
        "refuted": [numbers | {"least_purity": 0.2, "most_purity": 0.25}],
    },
    "A3": {
        "supported": [numbers := {"least_of_all": 0.6, "most_of_all": 0.7, "least_of_others": 0.7,
                                  "most_of_others": 0.8, "least_gain": 0.2, "most_gain": 0.3,
                                  "one_word": 0.4, "random_step": 0.1, "place": 1.5}],
        "qualified": [numbers | {"least_of_all": 0.4}, numbers | {"least_gain": 0.05}],
        "refuted": [numbers | {"least_gain": 0.05, "most_gain": 0.09}],
    },
    "A4": {
        "supported": [numbers := {"least_landed": 0, "most_landed": 0.05, "miss": 0.9,
                                  "miss_elsewhere": 1.8}],
        "qualified": [numbers | {"most_landed": 0.3}, numbers | {"miss_elsewhere": 1}],
        "refuted": [numbers | {"least_landed": 0.6, "most_landed": 0.7}],
    },
    "A5": {
        "supported": [numbers := {"least_gain": 0.06, "most_gain": 0.2, "share_of_length": 0.3,
                                  "place_when_tripled": 90}],
        "qualified": [numbers | {"least_gain": 0.02}],
        "refuted": [numbers | {"least_gain": -0.1, "most_gain": 0.04}],
    },
    "A6": {
        "supported": [numbers := {"least_gain": 0.12, "most_gain": 0.3, "raw_distance": 0.4,
                                  "raw_dot": 0.3, "raw_cosine": 0.5, "centred_cosine": 0.5,
                                  "one_length": 0.6}],
        "qualified": [numbers | {"least_gain": 0.07}],
        "refuted": [numbers | {"least_gain": -0.1, "most_gain": 0.04}],
    },
    "B14": {
        "supported": [numbers := {"least_right": 0.6, "most_right": 0.8, "untrained": 0.1}],
        "qualified": [numbers | {"least_right": 0.2}, numbers | {"most_right": 0.97}],
        "refuted": [numbers | {"least_right": 0.1, "most_right": 0.14},
                    numbers | {"least_right": 0.96, "most_right": 0.99}],
    },
}  # fmt: skip
