"""How sure a share of a count is. Apart from the other intervals, whose libraries take a second to import."""

from scipy.special import ndtri

Bounds = tuple[float, float]


def wilson(hits: int, trials: int, confidence: float) -> Bounds | None:
    """Wilson's score interval of a share; None where there were no trials."""
    if trials == 0:
        return None
    # in closed form: by way of SciPy's test, whose p-value nobody asked for, it takes twenty times as long
    square = float(ndtri((1 + confidence) / 2)) ** 2
    middle, weight = (hits + square / 2) / (trials + square), trials / (trials + square)
    reach = weight * (square * (hits * (trials - hits) / trials + square / 4)) ** 0.5 / trials
    return 0.0 if hits == 0 else float(middle - reach), 1.0 if hits == trials else float(middle + reach)
