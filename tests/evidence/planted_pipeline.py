"""Numbers that lead the rules about the way through the model to each of their verdicts."""

PLANTED = {
    "A7": {
        "supported": [numbers := {"fewest_on_record": 32, "most_on_record": 126, "layers": 7,
                                  "least_attention": 0.08, "least_mlp": 0.02}],
        "qualified": [numbers | {"fewest_on_record": 31}, numbers | {"most_on_record": 100},
                      numbers | {"least_mlp": 0.009}],
        "refuted": [numbers | {"fewest_on_record": 6, "most_on_record": 96},
                    numbers | {"least_attention": 0}, numbers | {"least_mlp": 0}],
    },
    "B3": {
        "supported": [numbers := {"error": 1e-9, "the_list_alone": 1, "with_norms": 1,
                                  "with_residual": 1, "commonest": 0.2}],
        "qualified": [numbers | {"the_list_alone": 0.98}, numbers | {"the_list_alone": 0.1}],
        "refuted": [numbers | {"error": 0.01}],
    },
    "B9": {
        ruling: [{"rows": 64 * ratio, "width": 64, "ratio": ratio, "least_on_record": 3.9}]
        for ruling, ratio in {"supported": 10, "qualified": 8, "refuted": 1}.items()
    },
    "B15": {
        "supported": [numbers := {"changed_without": 0.3, "changed_by_kind": 0.25,
                                  "loss_without": 0.2}],
        "qualified": [numbers | {"changed_without": 0.4}],
        "refuted": [numbers | {"changed_without": 0.6}, numbers | {"changed_by_kind": 0}],
    },
    "B17": {
        ruling: [{"same": same, "same_without_appending": 0.2}]
        for ruling, same in {"by algebra": 1, "qualified": 0.95, "refuted": 0.8}.items()
    },
    "B19": {
        ruling: [{"predictions": 64, "loss_every": 2.1, "loss_last": loss}]
        for ruling, loss in {"supported": 2.9, "qualified": 2.15, "refuted": 2.05}.items()
    },
    "C12": {
        ruling: [{"error": error, "error_of_row_alone": 0.3, "share_of_position": 0.1}]
        for ruling, error in {"by algebra": 1e-8, "refuted": 0.01}.items()
    },
}  # fmt: skip
