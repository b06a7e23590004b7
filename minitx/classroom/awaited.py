"""A prediction that a reader of the book has yet to make.

A lesson runs once for all readers, so no number is known when its figures are drawn. What a lesson
does with one before drawing it is kept as a straight line: `scale * number + shift`.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Awaited:
    """The number that a reader will predict, times a scale, plus a shift.

    >>> 2 * (Awaited("L08.c") + 1) - 0.5
    Awaited(id='L08.c', scale=2.0, shift=1.5)
    """

    id: str
    """The id of the prediction."""
    scale: float = 1.0
    shift: float = 0.0

    __array_ufunc__ = None  # numpy's numbers leave the arithmetic to this class

    def __add__(self, number: float) -> "Awaited":
        return replace(self, shift=self.shift + float(number))

    def __mul__(self, number: float) -> "Awaited":
        factor = float(number)
        return replace(self, scale=self.scale * factor, shift=self.shift * factor)

    def __neg__(self) -> "Awaited":
        return self * -1

    def __sub__(self, number: float) -> "Awaited":
        return self + -number

    def __rsub__(self, number: float) -> "Awaited":
        return -self + number

    def __truediv__(self, number: float) -> "Awaited":
        return self * (1 / number)

    __radd__ = __add__
    __rmul__ = __mul__
