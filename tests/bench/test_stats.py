"""What samples say: tables of numbers and verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import Ratio, median, quantile, ratio, ratio_of_runs, spread


@dataclass(frozen=True)
class Quantile:
    id: str
    values: Sequence[float]
    q: float
    want: float


@pytest.mark.parametrize(
    "case",
    [
        Quantile("one-value", [3], 0.5, 3),
        Quantile("odd-middle", [3, 1, 2], 0.5, 2),
        Quantile("even-interpolates", [4, 1, 2, 3], 0.5, 2.5),
        Quantile("lowest", [5, 9, 7], 0, 5),
        Quantile("highest", [5, 9, 7], 1, 9),
        Quantile("quarter", [1, 2, 3, 4, 5], 0.25, 2),
        Quantile("between", [0, 10], 0.9, 9),
    ],
    ids=lambda case: case.id,
)
def test_quantile(case: Quantile) -> None:
    assert quantile(case.values, case.q) == pytest.approx(case.want)


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median([])


def test_spread_is_the_width_of_the_middle_half() -> None:
    assert spread([1, 2, 3, 4, 100]) == 2


@given(st.lists(st.floats(0.001, 1e9), min_size=1, max_size=20))
def test_median_lies_within_the_samples(values: list[float]) -> None:
    assert min(values) <= median(values) <= max(values)


def test_ratio_pairs_the_rounds() -> None:
    # the machine was twice as slow in the second round and four times in the third: the pairs do not see it
    found = ratio([10, 20, 40], [5, 10, 20])
    assert (found.value, found.low, found.high) == (2, 2, 2)
    assert not found.noisy


@dataclass(frozen=True)
class Noise:
    id: str
    numerator: Sequence[float]
    denominator: Sequence[float]
    noisy: bool


@pytest.mark.parametrize(
    "case",
    [
        Noise("far-apart", [10, 11, 10], [5, 5, 5], False),
        Noise("alike", [5, 5, 5], [5, 5, 5], False),
        Noise("difference-below-spread", [1.0, 1.2, 0.9], [1, 1, 1], True),
        Noise("one-wild-round-of-five", [2, 2, 2, 2, 9], [1, 1, 1, 1, 1], False),
        Noise("two-rounds-are-too-few", [10, 10], [5, 5], True),
    ],
    ids=lambda case: case.id,
)
def test_noise_is_a_spread_above_the_difference(case: Noise) -> None:
    assert ratio(case.numerator, case.denominator).noisy is case.noisy


@pytest.mark.parametrize(("above", "below"), [([1, 0, 1], [1, 1, 1]), ([1, 1, 1], [1, 0, 1]), ([1, -1], [1, 1])])
def test_a_zero_is_no_measurement(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match="not measured"):
        ratio(above, below)
    with pytest.raises(ValueError, match="not measured"):
        ratio_of_runs(above, below)


def test_sides_with_different_numbers_of_rounds_do_not_pair() -> None:
    with pytest.raises(ValueError, match="different numbers"):
        ratio([1, 2], [1])


def test_runs_compare_without_pairs() -> None:
    assert ratio_of_runs([2, 2, 2, 2], [1, 1, 1]) == Ratio(2, 2, 2, 3)


@dataclass(frozen=True)
class Limit:
    id: str
    ratio: Ratio
    relation: str
    limit: float
    want: bool | None


@pytest.mark.parametrize(
    "case",
    [
        Limit("below", Ratio(0.8, 0.7, 0.9, 5), "<=", 1, True),
        Limit("above", Ratio(1.5, 1.4, 1.6, 5), "<=", 1, False),
        Limit("at-least", Ratio(5, 4.9, 5.1, 5), ">=", 4, True),
        Limit("not-at-least", Ratio(3, 2.9, 3.1, 5), ">=", 4, False),
        Limit("missed-within-the-spread", Ratio(1.05, 0.9, 1.2, 5), "<=", 1, None),
        Limit("met-within-the-spread", Ratio(0.95, 0.9, 1.2, 5), "<=", 1, None),
        Limit("too-few-rounds", Ratio(0.5, 0.5, 0.5, 2), "<=", 1, None),
    ],
    ids=lambda case: case.id,
)
def test_a_limit_is_met_missed_or_too_close_to_tell(case: Limit) -> None:
    assert case.ratio.meets(case.relation, case.limit) is case.want
