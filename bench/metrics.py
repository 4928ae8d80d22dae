"""The figures that are read off a sample: name, unit, which way is better, and the formula."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.results import Sample

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Metric:
    """`of` takes a sample's raw values (seconds, bytes, counts) to the figure in `unit`; None where it has none."""

    id: str
    title: str
    unit: str
    of: Callable[[Sample], float | None]
    less_is_better: bool = True

    @property
    def label(self) -> str:
        """Title and unit, for the head of a column or beside an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def series(self, samples: Sequence[Sample]) -> list[float] | None:
        """The figure of every round, or None where one lacks it."""
        values = [self.of(sample) for sample in samples]
        whole = [value for value in values if value is not None]
        return whole if whole and len(whole) == len(values) else None


def _over(above: str, below: str, factor: float = 1) -> Callable[[Sample], float | None]:
    return lambda sample: sample[above] / sample[below] * factor if sample.get(below) and above in sample else None


def _plain(name: str, factor: float = 1) -> Callable[[Sample], float | None]:
    return lambda sample: sample[name] * factor if name in sample else None


METRICS = {
    metric.id: metric
    for metric in (
        Metric("cpu_per_request", "CPU per request", "µs", _over("cpu", "requests", 1e6)),
        Metric("cpu_per_gib", "CPU per GiB", "s", _over("cpu", "bytes", GIB)),
        Metric("cpu_per_row", "CPU per row", "µs", _over("cpu", "rows", 1e6)),
        Metric("cpu", "CPU", "s", _plain("cpu")),
        Metric("requests_per_s", "requests/s", "", _over("requests", "wall"), less_is_better=False),
        Metric("mib_per_s", "throughput", "MiB/s", _over("bytes", "wall", 2**-20), less_is_better=False),
        Metric("rows_per_s", "rows/s", "", _over("rows", "wall"), less_is_better=False),
        Metric("wall", "time", "s", _plain("wall")),
        Metric("p50", "p50", "ms", _plain("p50", 1e3)),
        Metric("p99", "p99", "ms", _plain("p99", 1e3)),
        Metric("beside", "p50 beside", "ms", _plain("beside", 1e3)),
        Metric("slowdown", "p50 beside / alone", "", _over("beside", "alone")),
        Metric("first_byte", "first byte", "ms", _plain("first_byte", 1e3)),
        Metric("growth", "memory growth", "MiB", _plain("growth", 2**-20)),
        Metric("peak", "peak memory", "MiB", _plain("peak", 2**-20)),
        Metric("length", "length", "bytes", _plain("length")),
        Metric("busy", "core busy", "", _over("cpu", "wall")),
        Metric("others", "core used by others", "", _plain("others")),
    )
}
