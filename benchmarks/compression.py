#!/usr/bin/env python3
"""The table and the picture of what compression costs `sovits-tiny`: docs/compression.md and docs/pareto.svg.

    python benchmarks/compression.py WORK [--suite DIR] [--points int8,mixed-24] [--no-docs]

Every point is a line of steps as `timbral compress --steps` takes it. Models, evaluations and speech stay in
WORK, where later runs find them, so that points can be added one by one. Figures are those of `timbral evaluate` on
the built-in suite, or on DIR; differences are against the model that the package contains, at the same seed. Real-time
factors are medians of turns that all models take one after the other at the end, on one thread.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))

from measuring import interleaved  # noqa: E402

PARENT = "sovits-tiny"
POINTS = {
    "fp32": "quantize:precision=fp32",
    "int8": "",
    "mixed, 32 MB": "quantize:size=32MB",
    "mixed, 28 MB": "quantize:size=28MB",
    "mixed, 24 MB": "quantize:size=24MB",
    "int4, GPTQ": "quantize:precision=int4",
    "int4, nearest": "quantize:precision=int4,rounding=nearest",
    "pruned by 20 %": "prune:amount=0.2",
    "pruned by 40 %": "prune:amount=0.4",
    "distilled to 30 %": "distill:size=small",
    "distilled to 30 %, mixed": "distill:size=small+quantize:loss=1",
    "distilled to 15 %": "distill:size=tiny",
    "distilled to 10 %": "distill:size=micro",
}
"""Steps by the name of the point; none for the model as it comes."""
METRICS = ("recognition", "speaker", "dnsmos")
SHOWN = ("error", "similarity", "dnsmos")
"""Columns of the evaluation."""
SPOKEN = (
    "The ferry leaves at seven and reaches the island before noon. Take a coat, for the wind on deck is cold."
)
TURNS = 9


@dataclass(frozen=True)
class Point:
    """What was measured. values: means by column; rtf: real-time factor."""

    name: str
    steps: str
    folder: Path
    megabytes: float
    packed: float
    millions: float
    values: dict[str, float]
    rtf: float = 0.0


def model_of(name: str, steps: str, work: Path) -> Path:
    """The folder of a point's model, made where it is not there yet."""
    from timbral.compression.pipeline import compress, parse_steps
    from timbral.models import embedded_path

    if not steps:
        return embedded_path()
    folder = work / "models" / slug(name)
    if not folder.is_dir():
        print(f"{name}: timbral compress {PARENT} --steps {steps}", flush=True)
        compress(
            embedded_path(), folder, parse_steps(steps), name=slug(name), work=work / "steps" / slug(name)
        )
    return folder


def slug(name: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in name).replace("--", "-")


def measure(name: str, steps: str, work: Path, suite: Path | None) -> Point:
    from timbral.evaluation import evaluate, load_suite
    from timbral.models import read_bundle
    from timbral.models.package import compressed_size

    folder = model_of(name, steps, work)
    bundle = read_bundle(folder)
    against = work / "evaluations" / slug("int8") if steps else None
    evaluation = evaluate(
        folder,
        load_suite(suite),
        against=against if against and against.is_dir() else None,
        metrics=METRICS,
        folder=work / "evaluations" / slug(name),
        threads=1,
        memory=False,
    )
    values = {column: evaluation.average(column) or 0.0 for column in SHOWN}
    packed = sum(compressed_size(folder / file) for file in bundle.manifest.files)
    parameters = evaluation.figures.parameters
    return Point(name, steps, folder, bundle.size / 1e6, packed / 1e6, parameters / 1e6, values)


def timed(points: list[Point]) -> list[Point]:
    """The points with their real-time factors."""
    import timbral

    models = {point.name: timbral.load(point.folder, threads=1, languages=["en"]) for point in points}
    seconds = {name: model.say(SPOKEN, seed=1).duration for name, model in models.items()}
    found = interleaved(
        {name: lambda model=model: model.say(SPOKEN, seed=1) for name, model in models.items()}, TURNS
    )
    return [replace(point, rtf=found[point.name].median / 1000 / seconds[point.name]) for point in points]


def table(points: list[Point], parent: Point) -> str:
    lines = [
        "| model | steps | MB | packed | parameters, M | error | similarity | DNSMOS | real-time factor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for point in points:
        cells = [
            f"{point.values[column]:.3f} ({point.values[column] - parent.values[column]:+.3f})"
            for column in SHOWN
        ]
        steps = f"`{point.steps}`" if point.steps else "as it comes"
        sizes = f"{point.megabytes:.1f} | {point.packed:.1f} | {point.millions:.1f}"
        lines.append(f"| {point.name} | {steps} | {sizes} | {' | '.join(cells)} | {point.rtf:.3f} |")
    return "\n".join(lines) + "\n"


def draw(points: list[Point], path: Path) -> None:
    """Size against each measure; the lower left, or upper left, is better."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "timbral"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(SHOWN), figsize=(12, 4), constrained_layout=True)
    for axis, column in zip(axes, SHOWN, strict=True):
        for point in points:
            axis.scatter(point.megabytes, point.values[column], s=24)
            axis.annotate(
                point.name,
                (point.megabytes, point.values[column]),
                fontsize=7,
                xytext=(3, 3),
                textcoords="offset points",
            )
        axis.set(xlabel="MB on the disk", ylabel=column, xscale="log")
        axis.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--suite", type=Path, default=None, help="folder of prompts and texts")
    parser.add_argument(
        "--points", default=",".join(map(slug, POINTS)), help="names of points, joined by commas"
    )
    parser.add_argument("--no-docs", action="store_true", help="print the table only")
    arguments = parser.parse_args()
    wanted = ["int8", *arguments.points.split(",")]
    points = [
        measure(name, steps, arguments.work, arguments.suite)
        for name, steps in POINTS.items()
        if slug(name) in wanted
    ]
    points = timed(points)
    parent = next(point for point in points if not point.steps)
    found = table(points, parent)
    print(found)
    if arguments.no_docs:
        return
    draw(points, DOCS / "pareto.svg")
    page = DOCS / "compression.md"
    begin, end = "<!-- table: written by benchmarks/compression.py -->\n", "<!-- /table -->"
    text = page.read_text("utf-8")
    head, tail = text.partition(begin)[0], text.partition(end)[2]
    page.write_text(f"{head}{begin}\n{found}\n{end}{tail}", "utf-8")


if __name__ == "__main__":
    main()
