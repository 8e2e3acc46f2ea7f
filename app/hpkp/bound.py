"""How large a share may be, of which a sample was seen: an upper bound that errs on the careful side.

Clopper and Pearson, 1934: the bound holds with at least the confidence asked for, whatever the share; Wilson's interval
holds it only on average and falls short where few or none were seen, which is where this service decides.
"""

import math

_TOLERANCE = 1e-12
_STEPS = 200
_TERMS = 10_000
_TINY = 1e-300


def upper_share(seen: int, of: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of a share, of which ``seen`` were met among ``of``; 1 where all may be.

    With none seen it is ``1 - (1 - confidence) ** (1 / of)``, about three in ``of``.
    """
    if of <= 0 or seen >= of:
        return 1.0
    if seen <= 0:
        return -math.expm1(math.log1p(-confidence) / of)
    low, high = seen / of, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        # P(at most `seen` of `of`) falls as the share grows; the bound is where it has become 1 - confidence.
        if 1 - _beta(seen + 1, of - seen, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
        if high - low < _TOLERANCE:
            break
    return high


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
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + numerator * d)
            c = _away(1 + numerator / c)
            value *= c * d
        if abs(c * d - 1) < _TOLERANCE:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
