"""Numbers that lead the rules of claims about inverses to each of their verdicts."""

PLANTED = {
    "B13": {
        "supported": [numbers := {"alike": 0.8, "alike_at_random": 0.99, "near_1": 0.01,
                                  "transpose_stands_out": 15, "inverse_stands_out": 20}],
        "qualified": [numbers | {"alike": 0.6}, numbers | {"near_1": 0.2},
                      numbers | {"transpose_stands_out": 9}],
        "refuted": [numbers | {"alike": 0.2}, numbers | {"near_1": 0.6}],
    },
    "B20": {
        "by algebra": [numbers := {"apart": 0.9, "error_at_right_angles": 1e-14,
                                   "peak_inverse": 0.1, "peak_normalised": 1,
                                   "back_transpose": 0.6, "back_inverse": 1,
                                   "back_normalised": 0.6}],
        "qualified": [numbers | {"apart": 0.005}],
        "refuted": [numbers | {"error_at_right_angles": 0.1}],
    },
}  # fmt: skip
