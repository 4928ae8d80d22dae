"""What samples say. Pure: numbers in, numbers out; no clock, no file, no unit."""

from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH_PAIRS = 3
"""Below this many rounds no difference is called one."""


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, 0 <= q <= 1, with linear interpolation between order statistics."""
    if not values:
        raise ValueError("no samples")
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def spread(values: Sequence[float]) -> float:
    """The interquartile distance: the width of the middle half of the samples, in their own unit."""
    return quantile(values, 0.75) - quantile(values, 0.25)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One side over the other: the median of the rounds' ratios, and the middle half they fall in."""

    value: float
    low: float
    high: float
    rounds: int

    @property
    def noisy(self) -> bool:
        """Too noisy to tell: the rounds differ among themselves by more than the sides do, or are too few."""
        return self.rounds < ENOUGH_PAIRS or self.high - self.low > abs(self.value - 1)

    def meets(self, relation: str, limit: float) -> bool | None:
        """Whether the ratio is `<=` or `>=` the limit; None where the limit lies in the middle half of the rounds."""
        if self.rounds < ENOUGH_PAIRS or self.low < limit < self.high:
            return None
        return self.value <= limit if relation == "<=" else self.value >= limit


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """Compare round by round: sample i of one side with sample i of the other, taken next to each other in time.

    A slow spell of the machine then falls on both sides of a pair. A zero is no measurement: ValueError.
    """
    if len(numerator) != len(denominator):
        raise ValueError("the sides have different numbers of rounds")
    if not all(value > 0 for value in (*numerator, *denominator)):
        raise ValueError("a sample that is not above zero was not measured")
    pairs = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return Ratio(median(pairs), quantile(pairs, 0.25), quantile(pairs, 0.75), len(pairs))


def ratio_of_runs(after: Sequence[float], before: Sequence[float]) -> Ratio:
    """Compare two separate runs, where rounds do not pair: every sample of one with every sample of the other."""
    if not all(value > 0 for value in (*after, *before)):
        raise ValueError("a sample that is not above zero was not measured")
    pairs = [a / b for a in after for b in before]
    return Ratio(median(pairs), quantile(pairs, 0.25), quantile(pairs, 0.75), min(len(after), len(before)))
