"""Numbers that lead the rules about tokenizers to each of their verdicts."""

PLANTED = {
    "B5": {
        "supported": [numbers := {"pieces": 512, "characters_per_token": 2, "english_back": 1,
                                  "unicode_back": 1, "strings_of_their_own": 1, "ids_back": 0.1}],
        "qualified": [numbers | {"characters_per_token": 1.9}, numbers | {"unicode_back": 0.9},
                      numbers | {"strings_of_their_own": 0.99}],
        "refuted": [numbers | {"characters_per_token": 1}, numbers | {"english_back": 0.99}],
    },
    "B6": {
        "supported": [numbers := {"variants": 2, "times_as_long": 1.75, "at_most": 1.8}],
        "qualified": [numbers | {"variants": 1.9}, numbers | {"times_as_long": 1.7}],
        "refuted": [numbers | {"variants": 1.4}, numbers | {"times_as_long": 1.2}],
    },
    "B7": {
        "supported": [numbers := {"ids_looked_up": 1, "cut_by_longest": 0.99,
                                  "words_cut_by_longest": 0.9}],
        "qualified": [numbers | {"cut_by_longest": 0.98}],
        "refuted": [numbers | {"ids_looked_up": 0.99}],
    },
    "B8": {
        "supported": [numbers := {"rarity": -0.5, "rarity_at_one_length": -0.3, "odd": 0.9,
                                  "odd_at_random": 0.9, "single_digits": 0, "marks": 0}],
        "qualified": [numbers | {"rarity_at_one_length": -0.2}, numbers | {"odd": 0.5}],
        "refuted": [numbers | {"rarity_at_one_length": 0}],
    },
}  # fmt: skip
