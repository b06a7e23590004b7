"""Numbers that lead the rules on row lengths and on tying to each of their verdicts."""

PLANTED = {
    "B27": {
        "supported": [numbers := {"adam_tied": 3.0, "adam_in": 0.1, "adam_out": 2.5,
                                  "decay_tied": 2.0, "sgd_in": 0.4, "sgd_out": 0.5}],
        "qualified": [numbers | {"sgd_out": 0.6}, numbers | {"adam_in": 2, "sgd_in": 3,
                                                             "sgd_out": 4}],
        "refuted": [dict.fromkeys(numbers, 1.0), dict.fromkeys(numbers, 1.9)],
    },
    "B30": {
        "supported": [numbers := {"won": 0.4, "won_at_one_length": 0.1, "shadowed": 0.05,
                                  "never": 0.01}],
        "qualified": [numbers | {"shadowed": 0}, numbers | {"won": 0.15},
                      numbers | {"won_at_one_length": 0.3}],
        "refuted": [numbers | {"won": 0.1}],
    },
    "B33": {
        "supported": [numbers := {"same": 0.1, "gap": 0.6, "order": 0.1, "gap_with_block": 0.1}],
        "qualified": [numbers | {"order": 0.3}, numbers | {"gap_with_block": 0.01},
                      numbers | {"same": 0.6}],
        "refuted": [numbers | {"gap": 0.01, "order": 0}, numbers | {"order": 0.5}],
    },
    "B34": {
        "supported": [numbers := {"direct": 0.8, "backwards": 0.5, "whole": 0.9}],
        "qualified": [numbers | {"direct": 0.6}, numbers | {"backwards": 0.85}],
        "refuted": [numbers | {"direct": 0.53}, numbers | {"direct": 0.4}],
    },
    "C11": {
        "supported": [numbers := {"families": 5, "with_table": 5, "tied_by_default": 2,
                                  "gap": 0.1, "parameters": 1.05}],
        "qualified": [numbers | {"gap": 0.01}, numbers | {"parameters": 1.5}],
        "refuted": [numbers | {"with_table": 4}],
    },
}  # fmt: skip
