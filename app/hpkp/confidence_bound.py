"""How large a share may be, of which a sample was seen: an upper bound that errs on the careful side.

Clopper and Pearson, 1934: the bound holds with at least the confidence asked for, whatever the share; Wilson's interval
holds it only on average and falls short where few or none were seen, which is where this service decides.
"""

import math
from functools import lru_cache
from statistics import NormalDist

_TOLERANCE = 1e-12
_STEPS = 200
_TERMS = 10_000
_TINY = 1e-300


@lru_cache(maxsize=1024)
def upper_share(seen: int, of: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of a share, of which ``seen`` were met among ``of``; 1 where all may be.

    With none seen it is ``1 - (1 - confidence) ** (1 / of)``, about three in ``of``.
    """
    if of <= 0 or seen >= of:
        return 1.0
    if seen <= 0:
        return -math.expm1(math.log1p(-confidence) / of)
    # P(more than `seen` of `of`) grows with the share; the bound is where it has become `confidence`.
    a, b = seen + 1.0, float(of - seen)
    low, high = seen / of, 1.0
    share = _guess(seen / of, of, confidence)
    for _ in range(_STEPS):
        if not low < share < high:
            share = (low + high) / 2
        missing = confidence - _beta(a, b, share)
        low, high = (share, high) if missing > 0 else (low, share)
        step = missing / _density(a, b, share)
        if abs(step) < _TOLERANCE or high - low < _TOLERANCE:
            break
        share += step  # Newton's, taken back above where it leads out of what is left
    return min(max(share + step, low) + _TOLERANCE, 1.0)


def lower_share(seen: int, of: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided lower bound of a share, of which ``seen`` were met among ``of``; 0 with none seen."""
    return max(1.0 - upper_share(of - seen, of, confidence=confidence), 0.0)


def _guess(share: float, of: int, confidence: float) -> float:
    """Return Wilson's bound, which is near enough to begin with."""
    z = NormalDist().inv_cdf(confidence)
    return (share + z * z / (2 * of) + z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))) / (
        1 + z * z / of
    )


def _density(a: float, b: float, x: float) -> float:
    """Return the density of the beta distribution, the derivative of `_beta`; never zero."""
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)
    return max(math.exp(min(logarithm, 700.0)), _TINY)


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (NIST DLMF 8.17.22, with 8.17.4 where that converges faster)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x),
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        twice = a + 2 * m
        for numerator in (
            m * (b - m) * x / ((twice - 1) * twice),
            -(a + m) * (a + b + m) * x / (twice * (twice + 1)),
        ):
            d = 1 / _away(1 + numerator * d)
            c = _away(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < _TOLERANCE:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
