"""Numbers that lead the rules of claims about the sphere to each of their verdicts."""

PLANTED = {
    "B1": {
        "supported": [numbers := {"one_length": 0.1, "towards": 0.06, "random": 0.02,
                                  "share_moved": 0.16}],
        "qualified": [numbers | {"towards": 0.03}, numbers | {"one_length": 0.03}],
        "refuted": [numbers | {"random": 0.06}],
    },
    "B25": {
        "supported": [{"points": 0.3, "directions": 0.1, "equal_chances": 2}],
        "qualified": [{"points": 0.3, "directions": 0.4, "equal_chances": 2}],
        "refuted": [{"points": 0.009, "directions": 0.001, "equal_chances": 2}],
    },
    "C10": {
        "supported": [numbers := {"error_64": 1e-6, "error_576": 1e-5, "error_by_dividing": 1e-7,
                                  "steps_apart": 20, "volume_64": -40, "volume_576": -400}],
        "qualified": [numbers | {"error_576": 1e-7}, numbers | {"steps_apart": 9},
                      numbers | {"volume_576": -300}],
        "refuted": [numbers | {"error_576": 1e-7, "steps_apart": 9, "volume_576": -300}],
    },
}  # fmt: skip
