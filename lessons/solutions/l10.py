"""Solutions, hints, typical mistakes and the quiz of L10."""

import numpy as np

from minitx.classroom import Exercise, Question


def outcome(difference_E, margin):
    """What three paired differences say, by a rule that was written before."""
    middle = difference_E.mean()
    reach = 4.30 * difference_E.std(ddof=1) / np.sqrt(3)
    low, high = middle - reach, middle + reach
    if -margin < low and high < margin:
        return "alike"
    if low > margin or high < -margin:
        return "different"
    return "undecided"


def cosine_head(x_ZD, w_VD, scale):
    """Logits that see directions only."""
    x_ZD = x_ZD / np.linalg.norm(x_ZD, axis=1, keepdims=True)
    w_VD = w_VD / np.linalg.norm(w_VD, axis=1, keepdims=True)
    return scale * x_ZD @ w_VD.T


def sees_length(x_D):
    """A unit that looks along x and is silent up to one and a half times its length."""
    return x_D, -1.5 * x_D @ x_D


def zero_inside(difference_E, margin):
    """The mistake to call two things alike if zero lies in the interval."""
    reach = 4.30 * difference_E.std(ddof=1) / np.sqrt(3)
    return "alike" if abs(difference_E.mean()) < reach else "different"


def mean_only(difference_E, margin):
    """The mistake to leave the spread of the seeds out."""
    return "alike" if abs(difference_E.mean()) < margin else "different"


def of_one_seed(difference_E, margin):
    """The mistake to take the spread of the seeds for the uncertainty of their mean."""
    middle = difference_E.mean()
    return outcome(middle + np.sqrt(3) * (difference_E - middle), margin)


def of_three_numbers(difference_E, margin):
    """The mistake to divide the sum of squares by 3 where only 2 are free."""
    middle = difference_E.mean()
    return outcome(middle + np.sqrt(2 / 3) * (difference_E - middle), margin)


def judge_unit(answer, x_D):
    try:
        w_D, b = answer
        w_D, b = np.asarray(w_D, float), float(b)
    except (TypeError, ValueError):
        return "it should return weights and a bias: `return w_D, b`"
    if w_D.shape != x_D.shape:
        return f"the weights need the shape of the state, {x_D.shape}; yours have {w_D.shape}"
    short, long = (max(0.0, float(w_D @ (c * x_D) + b)) for c in (1, 2))
    if short == 0 < long:
        return None
    stretched = "; without a bias an answer is only stretched" if b == 0 else ""
    return f"it answers {short:.3g} to x and {long:.3g} to 2 x{stretched}"


def random_differences(random):
    """Three differences; each of the five trials has another case, in the order of CASES."""
    middle, spread = CASES[int(random.bit_generator.seed_seq.entropy) % len(CASES)]
    away_E = np.array([-1.0, 0.2, 0.8])  # their mean is 0
    return middle + spread * away_E + random.uniform(-0.01, 0.01), 5.0


# Mean and spread of differences: sure but too small to matter; zero inside but far too wide; surely
# outside, on each side; just not inside.
CASES = ((3.0, 0.7), (1.0, 9.0), (20.0, 2.0), (-20.0, 2.0), (3.6, 0.7))


EXERCISES = {
    "L10.e1": Exercise(
        outcome,
        (
            "Draw the interval and the margin on one line: which of the two holds the other?",
            "Alike: both ends lie inside the margin. Different: both lie outside, on one side.",
        ),
        random_differences,
        {
            "zero in the interval is not enough, and zero outside is not enough either: where "
            "does the margin come in?": zero_inside,
            "three seeds have a spread: where does the interval end?": mean_only,
            "the interval is too wide: a mean of three is surer than one seed": of_one_seed,
            "the interval is a little too narrow: which ddof has your deviation?":
                of_three_numbers,
        },
    ),
    "L10.e2": Exercise(
        cosine_head,
        (
            "A cosine is the dot product of two vectors that were divided by their lengths.",
            "Divide each state and each row by its length; keepdims=True keeps the shapes fit.",
        ),
        lambda random: (
            random.standard_normal((4, 6)), random.standard_normal((5, 6)), random.uniform(2, 9)
        ),
        {
            "the scale is not used": lambda x, w, s: cosine_head(x, w, 1),
            "this is the dot product times the scale: length still counts":
                lambda x, w, s: s * x @ w.T,
            "the length of the state still counts":
                lambda x, w, s: s * x @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T,
            "the lengths of the rows still count":
                lambda x, w, s: s * x @ w.T / np.linalg.norm(x, axis=1, keepdims=True),
        },
    ),
    "L10.e3": Exercise(
        sees_length,
        (
            "Let the unit look along x. What does w.x grow to if x is twice as long?",
            "Take w = x. Then w.x is x.x for x, and 2 x.x for 2 x: put the bias between the two.",
        ),
        lambda random: (random.standard_normal(5),),
        {
            "without a bias an answer is only stretched": lambda x: (x, 0.0),
            "it answers 0 to x and 0 to 2 x": lambda x: (x, -3 * x @ x),
            "return w_D, b": lambda x: x,
        },
        judge_unit,
    ),
}  # fmt: skip

QUIZ = {
    "L10.q1": Question(
        "The margin is 5 points. The interval of a difference goes from -20 to 20. The two models "
        "behave",
        ("alike, for zero is inside", "differently, for 20 is outside", "in a way not known yet"),
        2,
        "The true difference may be 0 or 15, and the interval allows both.",
    ),
    "L10.q2": Question(
        "A model has a cosine head and no LayerNorm anywhere. Its last states become twice as "
        "long. Its predictions",
        ("stay as they are", "become surer", "become less sure"),
        0,
        "The cosine of a state and a row does not contain the length of the state.",
    ),
    "L10.q3": Question(
        "From lesson 9: a state of 48 channels leaves a LayerNorm, before the gain. Its length is",
        ("1", "6.9", "what it was before"),
        1,
        "It is the root of the number of channels, whatever came in.",
    ),
}
