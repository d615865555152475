"""The report on an evaluation: Markdown, JSON, pictures, and a page for listening."""

import json
from collections.abc import Sequence
from pathlib import Path

from timbral.evaluation.bootstrap import Interval
from timbral.evaluation.gate import Violation
from timbral.evaluation.listening import write_listening_page
from timbral.evaluation.metrics import Column
from timbral.evaluation.pictures import draw_metrics, draw_spectrograms
from timbral.evaluation.results import Evaluation, Row
from timbral.paths import atomic_write

REPORT, DATA, PAGE = "report.md", "report.json", "listening.html"
METRICS_PICTURE, SPECTROGRAMS_PICTURE = "metrics.png", "spectrograms.png"
_WORST = 5
_INTERVALS = (
    "Intervals hold 95 % (bootstrap, percentiles). Above, cases are drawn again; below, whole voices are, which is the honest "
    "way for other voices, and wide where a suite has few."
)


def write_report(evaluation: Evaluation, folder: Path, violations: Sequence[Violation] | None = None) -> Path:
    """Writes the report into a folder, and returns the path of its Markdown.

    violations: what a gate found, None without a gate. Raises InstallationError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_metrics(evaluation, folder / METRICS_PICTURE)
    spectrograms = draw_spectrograms(evaluation, folder / SPECTROGRAMS_PICTURE)
    write_listening_page(evaluation, folder / PAGE)
    data = evaluation.as_dict()
    if violations is not None:
        data["gate"] = {"passed": not violations, "violations": [vars(one) for one in violations]}
    _write(folder / DATA, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    _write(folder / REPORT, _markdown(evaluation, violations, spectrograms))
    return folder / REPORT


def summary(evaluation: Evaluation) -> list[list[str]]:
    """The means as a table, the first row with the titles: for a terminal."""
    parent = evaluation.parent
    groups = evaluation.groups()
    rows = [["", *groups, "95 %", *([evaluation.parent_label, "change", "95 %"] if parent else [])]]
    for column in evaluation.columns:
        means = [evaluation.average(column.name, cases) for cases in groups.values()]
        whole = evaluation.mean(column.name)
        if whole is None:
            continue
        row = [_title(column), *(_shown(mean, column) for mean in means), _range(whole, column)]
        if parent:
            change = evaluation.change(column.name)
            row += [_shown(parent.average(column.name), column)]
            row += [_signed(change, column), _range(change, column)]
        rows.append(row)
    return rows


def sizes(evaluation: Evaluation) -> list[list[str]]:
    """Size, parameters and needs as a table, the first row with the titles."""
    both = [evaluation, *([evaluation.parent] if evaluation.parent else [])]
    table = [["", evaluation.model, *([evaluation.parent_label] if evaluation.parent else [])]]
    table.append(["size on disk", *(_megabytes(one.figures.size) for one in both)])
    table.append(["without files for cloning", *(_megabytes(one.figures.speaking_size) for one in both)])
    table.append(["parameters", *(f"{one.figures.parameters / 1e6:.1f} M" for one in both)])
    table.append(["peak memory", *(_megabytes(one.figures.memory) for one in both)])
    table.append(["loading", *(_seconds(one.figures.load_seconds) for one in both)])
    table.append(["cases", *(str(len(one.rows)) for one in both)])
    table.append(["without speech", *(str(sum(bool(row.failed) for row in one.rows)) for one in both)])
    table.append(["error above 0.5", *(f"{one.bad:.0%}" for one in both)])
    table.append(["sampled again", *(str(sum(row.retries for row in one.rows)) for one in both)])
    return table


def _markdown(evaluation: Evaluation, violations: Sequence[Violation] | None, spectrograms: bool) -> str:
    against = f" against {evaluation.parent_label}" if evaluation.parent else ""
    lines = [f"# {evaluation.model}{against}", ""]
    lines += [
        f"Suite `{evaluation.suite}` ({evaluation.suite_digest}): {len(evaluation.rows)} cases, "
        f"{len({row.voice for row in evaluation.rows})} voices, seed {evaluation.seed}. Model {evaluation.digest}.",
        "",
    ]
    if violations is not None:
        lines += ["## Gate", "", "Passed." if not violations else "**Broken:**", ""]
        lines += [f"- {violation}" for violation in violations] + ([""] if violations else [])
    lines += ["## Means", "", *_table(summary(evaluation)), "", _INTERVALS, "", *_by_voice(evaluation)]
    lines += [f"![Every case, and the means]({METRICS_PICTURE})", "", "## Size and speed", ""]
    lines += [*_table(sizes(evaluation)), ""]
    lines += ["## Worst cases", "", *_table(_worst(evaluation)), ""]
    if spectrograms:
        lines += [f"![Spectrograms of what differs most]({SPECTROGRAMS_PICTURE})", ""]
    lines += [f"[Listen]({PAGE}); [all figures]({DATA}).", ""]
    lines += [f"- {note}" for note in evaluation.notes]
    return "\n".join(lines).rstrip() + "\n"


def _by_voice(evaluation: Evaluation) -> list[str]:
    """The intervals that draw whole voices."""
    rows = [["by voice", "95 %", *(["change, 95 %"] if evaluation.parent else [])]]
    for column in evaluation.columns:
        found, change = evaluation.mean(column.name), evaluation.change(column.name)
        if found is not None and found.voice_low is not None:
            cells = [
                _voice_range(found, column),
                *([_voice_range(change, column)] if evaluation.parent else []),
            ]
            rows.append([_title(column), *cells])
    return [*_table(rows), ""] if len(rows) > 1 else []


def _worst(evaluation: Evaluation) -> list[list[str]]:
    """The cases with the most errors, and then the least like their voice."""

    def badness(row: Row) -> tuple[float, float, float]:
        return (float(bool(row.failed)), row.values.get("error", 0.0), -row.values.get("similarity", 1.0))

    table = [["case", "text", "heard", "error", "similarity", "DNSMOS"]]
    for row in sorted(evaluation.rows, key=badness, reverse=True)[:_WORST]:
        found = [row.values.get(name) for name in ("error", "similarity", "dnsmos")]
        cells = ["" if value is None else f"{value:.2f}" for value in found]
        table.append([row.case, row.text, row.failed or row.heard, *cells])
    return table


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _title(column: Column) -> str:
    return f"{column.title}, {column.unit}" if column.unit else column.title


def _shown(value: float | None, column: Column) -> str:
    return "" if value is None else f"{value:.{column.digits}f}"


def _signed(found: Interval | None, column: Column) -> str:
    return "" if found is None else f"{found.mean:+.{column.digits}f}"


def _range(found: Interval | None, column: Column) -> str:
    return "" if found is None else f"{_shown(found.low, column)} to {_shown(found.high, column)}"


def _voice_range(found: Interval | None, column: Column) -> str:
    if found is None or found.voice_low is None:
        return ""
    return f"{_shown(found.voice_low, column)} to {_shown(found.voice_high, column)}"


def _megabytes(size: int | None) -> str:
    return "not measured" if size is None else f"{size / 1e6:.1f} MB"


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} s"


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
