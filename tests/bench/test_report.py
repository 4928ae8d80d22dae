"""Results as text and pictures."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import charts, report, results
from bench.bars import standings
from bench.headlines import number
from bench.results import CaseResult, Run, Sample

ENVIRONMENT = {
    "cpu": "C", "cores": 2, "memory_gib": 4, "kernel": "Linux 6", "python": "CPython 3.11",
    "packages": {"uvicorn": "1"}, "programs": {}, "revision": "abc",
}  # fmt: skip


def samples(*microseconds: float) -> list[Sample]:
    return [{"cpu": value * 1e-3, "requests": 1000, "wall": 2.0, "others": 0.0} for value in microseconds]


def run(ours: list[Sample], hello: list[Sample]) -> Run:
    result = CaseResult("file-1KiB", {"ours": ours, "hello": hello}, {"aiohttp": "died | badly"}, {"nginx": "not here"})
    return Run("python -m bench quick", "2026-01-01T00:00:00+00:00", ENVIRONMENT, [result])


def test_a_table_has_medians_ratios_and_failures() -> None:
    lines = report.table(run(samples(20, 21, 22), samples(40, 42, 44)).cases[0]).splitlines()
    assert lines[0] == "file-1KiB: 1 KiB file, 32 connections (3 rounds)"
    assert "21.0 ±0.50" in lines[2]
    assert "2.00x (2.00-2.00)" in lines[3]
    assert "failed" in lines[4]
    assert "not measured: not here" in lines[5]


@pytest.mark.parametrize("known", ["file-1KiB", "a-case-of-another-time"])
def test_a_table_without_figures_says_why(known: str) -> None:
    text = report.table(CaseResult(known, {}, {"ours": "TargetDied: no licence"}, {"nginx": "not installed"}))
    assert "no licence" in text
    assert "not measured: not installed" in text


def test_noise_is_said() -> None:
    noisy = report.table(run(samples(20, 20, 20), samples(15, 21, 28)).cases[0])
    assert "too noisy to tell" in noisy


def test_disturbance_is_said() -> None:
    result = run([sample | {"others": 0.5} for sample in samples(20, 20, 20)], samples(20, 20, 20)).cases[0]
    assert "Others used 25% of the servers' core" in report.table(result)


def test_bars_are_read_off_the_run() -> None:
    met = {standing.bar.words: standing.met for standing in standings(run(samples(20, 20, 20), samples(30, 30, 30)))}
    assert met == {"1 KiB file: little more CPU than hello-world": True}
    missed = list(standings(run(samples(30, 30, 30), samples(20, 20, 20))))
    assert [standing.met for standing in missed] == [False]
    assert missed[0].value == pytest.approx(1.5)


def test_markdown_is_made_of_whole_tables() -> None:
    text = report.markdown(run(samples(20, 21, 22), samples(40, 42, 44)))
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    widths = {line.count("|") for line in text.splitlines() if line.startswith(("| ours", "| hello", "| aiohttp"))}
    assert len(widths) == 1
    assert "python -m bench run --case file-1KiB" in text


def test_each_case_says_what_measures_it_again() -> None:
    points = [CaseResult("scale-rows-1000", {"ours": samples(1, 1, 1)}), CaseResult("file-1KiB")]
    text = report.markdown(Run("c", "2026-01-01T00:00:00+00:00", ENVIRONMENT, points))
    assert "`python -m bench scaling --scale rows`" in text
    assert "`python -m bench run --case file-1KiB`" in text


def test_the_readme_has_figures_charts_and_missed_bars() -> None:
    text = report.summary(run(samples(30, 30, 30), samples(20, 20, 20)), ["x/file-1KiB.svg", "x/not-shown.svg"])
    lines = text.splitlines()
    assert "|  | this service | uvicorn hello-world | case |" in lines
    assert "| 1 KiB file | **30.0 µs** | 20.0 µs | `file-1KiB` |" in lines
    assert "![1 KiB file, 32 connections](x/file-1KiB.svg)" in lines
    assert "not-shown" not in text
    assert "Of 1 bars that were set, these are missed:" in lines
    assert "| 1 KiB file: little more CPU than hello-world | <= 1.25 | 1.50 (1.50-1.50) | `file-1KiB` |" in lines
    met = report.summary(run(samples(10, 10, 10), samples(20, 20, 20)), [])
    assert "missed" not in met


def test_runs_of_one_machine_merge() -> None:
    first = run(samples(20, 20, 20), samples(40, 40, 40))
    other = run(samples(30, 30, 30), samples(40, 40, 40))
    other.cases.append(CaseResult("not-modified", {"ours": samples(1, 1, 1)}))
    other.environment = {**ENVIRONMENT, "revision": "def"}
    whole = report.merged([first, other])
    assert "revision abc and def:" in report.machine(whole)
    assert [case.id for case in whole.cases] == ["file-1KiB", "not-modified"]
    assert whole.cases[0] is other.cases[0]
    elsewhere = Run(first.command, first.started, {**ENVIRONMENT, "cpu": "D"}, [])
    with pytest.raises(ValueError, match="different machines"):
        report.merged([first, elsewhere])


def test_the_report_command_writes_the_section_and_its_charts(tmp_path: Path) -> None:
    from bench.__main__ import main

    results.save(run(samples(20, 20, 20), samples(40, 40, 40)), tmp_path / "run.json")
    (tmp_path / "README.md").write_text(f"{report.BEGIN}{report.END}", encoding="utf-8")
    charts_of = tmp_path / "bench" / "charts"
    words = ["report", str(tmp_path / "run.json"), "--charts", str(charts_of), "--into", str(tmp_path / "README.md")]
    assert main(words) == 0
    assert "(bench/charts/file-1KiB.svg)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (charts_of / "file-1KiB.svg").exists()


def test_the_readme_section_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"a\n{report.BEGIN}\nold\n{report.END}\nb\n", encoding="utf-8")
    report.replace_section(path, r"new \1")
    assert path.read_text(encoding="utf-8") == f"a\n{report.BEGIN}\nnew \\1\n{report.END}\nb\n"
    path.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="no section"):
        report.replace_section(path, "new")


def test_charts_are_well_formed(tmp_path: Path) -> None:
    (path,) = report.write_charts(run(samples(20, 21, 22), samples(40, 42, 44)), tmp_path)
    tree = ElementTree.parse(path)
    texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert "ours" in texts
    assert "42.0" in texts
    lines = [charts.Line("a & <b>", [(1024, 0.5), (2**20, 12)]), charts.Line("flat", [(1024, 3)])]
    ElementTree.fromstring(charts.line_chart("t", "x", "y", lines))


def test_the_axes_of_a_line_chart_are_decades() -> None:
    drawn = charts.line_chart("t", "x", "y", [charts.Line("a", [(1024, 0.05), (4 * 2**30, 12_000)])])
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.tag.endswith("text")]
    assert texts[3:11] == ["1 k", "10 k", "100 k", "1 M", "10 M", "100 M", "1 G", "10 G"]
    assert texts[11:18] == ["0.01", "0.1", "1", "10", "100", "1 k", "10 k"]


def test_a_scale_becomes_lines(tmp_path: Path) -> None:
    points = [CaseResult(f"scale-connections-{count}", {"ours": samples(20, 21, 22)}) for count in (1, 4, 16)]
    scale = Run("python -m bench scaling", "2026-01-01T00:00:00+00:00", ENVIRONMENT, points)
    (path,) = report.write_charts(scale, tmp_path)
    assert path.name == "scale-connections-cpu_per_request.svg"
    assert path.read_text().count("<circle") == 3


@pytest.mark.parametrize(
    ("after", "verdict"),
    [((20, 21, 22), "too noisy"), ((10, 10.1, 10.2), "better"), ((40, 41, 42), "worse")],
    ids=["alike", "less-cpu", "more-cpu"],
)
def test_two_runs_compare(after: tuple[float, ...], verdict: str) -> None:
    before = run(samples(20, 21, 22), samples(40, 42, 44))
    text = report.comparison(before, run(samples(*after), samples(40, 42, 44)))
    (line,) = [line for line in text.splitlines() if " ours " in line and "CPU per request" in line]
    assert verdict in line


def test_the_listing_names_cases_and_targets(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.__main__ import main

    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "file-1KiB" in said
    assert "aiohttp, FileResponse" in said


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.001234, "0.0012"), (0.5, "0.50"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_have_the_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text
