"""Results as text: tables for the terminal and for Markdown, the bars, and the comparison of two runs."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import cases, charts, headlines, scaling
from bench.bars import standings
from bench.cases import Case
from bench.headlines import number
from bench.metrics import METRICS, Metric
from bench.results import CaseResult, Run, Sample
from bench.stats import Ratio, median, ratio, ratio_of_runs, spread
from bench.targets import Program, Target

OURS = ("ours", "zip-ours", "zip-ours-deflate")
"""What others are compared with, where a case has it."""

_EVERY = {case.id: case for case in (*cases.CASES, *scaling.CASES)}

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_DISTURBED = 0.05
_MET = {True: "yes", False: "**no**", None: "too noisy to tell"}


def _times(found: Ratio) -> str:
    text = f"{number(found.value)}x ({number(found.low)}-{number(found.high)})"
    return text + ", too noisy to tell" if found.noisy else text


def _figure(metric: Metric, samples: Sequence[Sample]) -> str:
    """Median and spread."""
    values = metric.series(samples)
    if values is None:
        return "-"
    width = spread(values)
    return number(median(values)) + (f" ±{number(width / 2)}" if width else "")


def _against_ours(result: CaseResult, target: str, metric: Metric) -> str:
    ours = next((name for name in OURS if name in result.samples), None)
    if ours is None or target == ours:
        return ""
    mine, theirs = metric.series(result.samples[ours]), metric.series(result.samples[target])
    rounds = min(len(mine or ()), len(theirs or ()))
    if not mine or not theirs:
        return "-"
    return _times(ratio(theirs[:rounds], mine[:rounds]))


def _case(id: str) -> Case | None:  # noqa: A002  # it is called so everywhere else
    return _EVERY.get(id)


def rows_of(result: CaseResult) -> list[list[str]]:
    """The case as a table of words: a head line, then one line for each target."""
    case = _case(result.id)
    names = case.figures if case else ("cpu", "wall")
    metrics = [METRICS[name] for name in names]
    metrics = [m for m in metrics if any(m.series(samples) for samples in result.samples.values())]
    head = ["target", *(m.label for m in metrics)]
    if metrics:
        head.append(f"{metrics[0].title}, times ours")
    rows = [head]
    for target, samples in result.samples.items():
        row = [target, *(_figure(metric, samples) for metric in metrics)]
        if metrics:
            row.append(_against_ours(result, target, metrics[0]))
        rows.append(row)
    if len(head) == 1:
        head.append("")
        rows[1:] = [[*row, ""] for row in rows[1:]]
    for target, why in {**result.errors, **result.skipped}.items():
        said = "**failed**: " if target in result.errors else "not measured: "
        rows.append([target, said + " ".join(why.split())[:160].replace("|", "/"), *[""] * (len(head) - 2)])
    return rows


def disturbance(result: CaseResult) -> str:
    """A sentence when others used the servers' core for more than a little of the time; else nothing."""
    shares = [METRICS["others"].of(sample) or 0.0 for samples in result.samples.values() for sample in samples]
    if not shares or median(shares) <= _DISTURBED:
        return ""
    return f"Others used {median(shares):.0%} of the servers' core meanwhile (median)."


def table(result: CaseResult) -> str:
    """For the terminal."""
    rows = rows_of(result)
    told = {*result.errors, *result.skipped}
    figures = [row for row in rows if row[0] not in told]
    widths = [max(len(row[column]) for row in figures) for column in range(len(rows[0]))]
    lines = [_title(result)]
    for name, *cells in rows:
        aligned = cells if name in told else [cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True)]
        lines.append("  " + "  ".join([name.ljust(widths[0]), *aligned]).rstrip())
    return "\n".join([*lines, *(["  " + said] if (said := disturbance(result)) else []), ""])


def _title(result: CaseResult) -> str:
    case = _case(result.id)
    rounds = max((len(samples) for samples in result.samples.values()), default=0)
    return f"{result.id}: {case.what if case else '?'} ({rounds} rounds)"


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def bars_table(run: Run) -> list[list[str]]:
    """Each bar with its limit, the figure and whether it is met."""
    rows = [["bar", "limit", "measured", "met", "case"]]
    for standing in standings(run):
        bar, found = standing.bar, standing.ratio
        value = f"{number(found.value)} ({number(found.low)}-{number(found.high)})" if found else number(standing.value)
        rows.append([bar.words, f"{bar.relation} {bar.limit:g}", value, _MET[standing.met], f"`{bar.case}`"])
    return rows


def bars(run: Run) -> str:
    """For the terminal."""
    rows = [[cell.replace("**", "").replace("`", "") for cell in row] for row in bars_table(run)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def machine(run: Run) -> str:
    """The run's circumstances in a sentence."""
    e = run.environment
    packages = ", ".join(f"{name} {version}" for name, version in {**e["packages"], **e["programs"]}.items())
    return (
        f"{run.started[:10]}, revision {e['revision']}: {e['cpu']}, {e['cores']} cores, {e['memory_gib']} GiB, "
        f"{e['kernel']}, {e['python']}; {packages}."
    )


def _command(id: str) -> str:  # noqa: A002  # it is called so everywhere else
    """What measures the case again."""
    scale = next((scale.id for scale in scaling.SCALES.values() if id.startswith(f"scale-{scale.id}-")), None)
    return f"`python -m bench scaling --scale {scale}`" if scale else f"`python -m bench run --case {id}`"


def markdown(run: Run) -> str:
    """The whole result."""
    parts = ["# Benchmark results", machine(run), f"`{run.command}`", "## Bars", _markdown_table(bars_table(run))]
    for result in run.cases:
        case = _case(result.id)
        parts += [f"## {result.id}", (case.what[0].upper() + case.what[1:] + "." if case else "")]
        parts.append(_markdown_table(rows_of(result)))
        if said := disturbance(result):
            parts.append(said)
        parts.append(_command(result.id))
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(run: Run, drawn: Sequence[str]) -> str:
    """For README: its tables, the bars that are not met, and the charts among `drawn`, which are paths from there."""
    parts = []
    for title, table in headlines.TABLES:
        if rows := list(headlines.lines(table, run)):
            parts += [f"{title}:", _markdown_table(rows)]
    parts += [f"![{_alternative(path)}]({path})" for path in drawn if Path(path).stem in headlines.CHARTS]
    head, *rows = bars_table(run)
    missed = [[words, limit, measured, case] for words, limit, measured, met, case in rows if met == _MET[False]]
    if missed:
        parts += [
            f"Of {len(rows)} bars that were set, these are missed:",
            _markdown_table([[*head[:3], head[4]], *missed]),
        ]
    return "\n\n".join((*parts, machine(run)))


def _alternative(path: str) -> str:
    """What a chart shows, in words."""
    scale = next((scale for scale in scaling.SCALES.values() if f"scale-{scale.id}-" in path), None)
    case = _case(Path(path).stem)
    return scale.title if scale else case.what if case else Path(path).stem


def merged(runs: Sequence[Run]) -> Run:
    """Several runs as one; of a case that several have, the last. ValueError when they are of different machines."""
    first = runs[0]
    revisions = dict.fromkeys(str(run.environment["revision"]) for run in runs)
    if any(run.environment["cpu"] != first.environment["cpu"] for run in runs):
        raise ValueError("the runs are of different machines")
    found = {result.id: result for run in runs for result in run.cases}
    environment = {**first.environment, "revision": " and ".join(revisions)}
    return Run("; ".join(run.command for run in runs), first.started, environment, list(found.values()))


def replace_section(path: Path, text: str) -> None:
    """Put `text` between the two marks in the file. ValueError where it has no marks."""
    whole = path.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(whole):
        raise ValueError(f"{path} has no section {BEGIN} .. {END}")
    path.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", whole), encoding="utf-8")


def write_charts(run: Run, folder: Path) -> list[Path]:
    """One SVG for each case: the case's first figure, a bar for each target; lines for each figure of a scale."""
    folder.mkdir(parents=True, exist_ok=True)
    written = _write_scales(run, folder)
    of_scales = {case.id for case in scaling.CASES}
    for result in run.cases:
        case = _case(result.id)
        if case is None or not result.samples or case.id in of_scales:
            continue
        metric = METRICS[case.figures[0]]
        bars = [
            charts.Bar(name, median(values), spread(values), name in OURS or name.startswith("ours"))
            for name, samples in result.samples.items()
            if (values := metric.series(samples))
        ]
        path = folder / f"{result.id}.svg"
        better = "less" if metric.less_is_better else "more"
        path.write_text(
            charts.bar_chart(case.what, f"{metric.label} ({better} is better)", bars, number),
            encoding="utf-8",
        )
        written.append(path)
    return written


def _write_scales(run: Run, folder: Path) -> list[Path]:
    written = []
    for scale in scaling.SCALES.values():
        for metric in (METRICS[name] for name in scale.figures):
            lines: dict[str, list[tuple[float, float]]] = {}
            for place, case in scale.points:
                result = run.case(case.id)
                for name, samples in result.samples.items() if result else ():
                    values = metric.series(samples)
                    if values and median(values) > 0:
                        lines.setdefault(name, []).append((place, median(values)))
            if not lines:
                continue
            path = folder / f"scale-{scale.id}-{metric.id}.svg"
            drawn = [charts.Line(name, points) for name, points in lines.items()]
            axis = metric.label
            path.write_text(charts.line_chart(scale.title, scale.axis, axis, drawn), encoding="utf-8")
            written.append(path)
    return written


def comparison(a: Run, b: Run) -> str:
    """For every figure that both runs have: B over A, and whether that is more than noise."""
    lines = [f"A: {a.command}, {machine(a)}", f"B: {b.command}, {machine(b)}", ""]
    if a.environment["cpu"] != b.environment["cpu"]:
        lines.append("The machines differ: ratios below compare machines, not revisions.")
    for result in b.cases:
        before = a.case(result.id)
        case = _case(result.id)
        if before is None or case is None:
            continue
        for target, samples in result.samples.items():
            if target not in before.samples:
                continue
            for metric in (METRICS[name] for name in case.figures):
                line = _compared(metric, before.samples[target], samples)
                if line:
                    lines.append(f"{result.id:24} {target:18} {metric.title:20} {line}")
    return "\n".join(lines)


def _compared(metric: Metric, before: Sequence[Sample], after: Sequence[Sample]) -> str:
    old, new = metric.series(before), metric.series(after)
    if not old or not new or not all((*old, *new)):
        return ""
    found = ratio_of_runs(new, old)
    better = (found.value < 1) is metric.less_is_better
    verdict = "too noisy to tell" if found.noisy else "better" if better else "worse"
    return f"{number(median(old)):>10} -> {number(median(new)):>10} {metric.unit:5} {found.value:6.2f}x  {verdict}"


def listing(cases: Iterable[Case], targets: Iterable[Target | Program]) -> str:
    """What there is to run."""
    mark: Callable[[Case], str] = lambda case: "quick" if case.quick else ""  # noqa: E731
    lines = ["Cases:", *(f"  {case.id:24} {mark(case):6} {case.what}" for case in cases)]
    return "\n".join([*lines, "", "Targets:", *(f"  {target.id:24} {target.what}" for target in targets)])
