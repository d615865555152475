"""`timbral evaluate`: measures a model, against its parent if it has one, and holds it to a gate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Threads

if TYPE_CHECKING:
    from timbral.evaluation import Evaluation, Suite, Violation

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="Name or folder; the embedded one by default.", show_default=False
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL|DIR", help="Parent to compare with: a model, or the folder of its evaluation."
    ),
]
SuiteOption = Annotated[
    str | None,
    typer.Option(
        "--suite", metavar="DIR|FILE", help="Recordings and texts, or a meta.lst as in seed-tts-eval."
    ),
]
GateOption = Annotated[
    str | None,
    typer.Option(
        "--gate",
        metavar="FILE",
        help="Bounds as YAML, or sovits-tiny or compressed; exit code 1 if one breaks.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="Folder of the report; repeat the command to resume."),
]
Metrics = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Separated by commas; all that are installed by default.")
]
Languages = Annotated[
    str | None, typer.Option("--lang", metavar="LANGS", help="Only these, separated by commas.")
]
Cases = Annotated[int | None, typer.Option(min=1, help="At most so many, of all voices and languages.")]
Sentences = Annotated[int, typer.Option(min=1, help="Of each voice and language, for a folder of texts.")]
Recogniser = Annotated[
    str, typer.Option(metavar="NAME|DIR", help="whisper, a published size such as small, or a folder.")
]
Seed = Annotated[int, typer.Option(help="Of the speech of the model and of its parent.")]

_MOST_SHOWN = 20


def evaluate(
    model: ModelArgument = None,
    against: Against = None,
    suite: SuiteOption = None,
    gate: GateOption = None,
    output: Output = None,
    metrics: Metrics = None,
    lang: Languages = None,
    cases: Cases = None,
    sentences: Sentences = 2,
    recogniser: Recogniser = "whisper",
    seed: Seed = 0,
    threads: Threads = 0,
    json: Json = False,
) -> int:
    """Measure a model: errors, likeness, sound, speed and size; against its parent, and held to a gate."""
    from timbral import evaluation

    bounds = None if gate is None else evaluation.Gate.read(gate)
    chosen = evaluation.load_suite(suite, sentences=sentences)
    chosen = _narrowed(chosen, lang, cases)
    parent = against if against is not None or bounds is None else bounds.against
    with terminal.progress("evaluating") as bar:
        found = evaluation.evaluate(
            model,
            chosen,
            against=parent,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            seed=seed,
            folder=output,
            recogniser=recogniser,
            threads=threads,
            progress=terminal.Narrator(bar),
        )
    violations = None if bounds is None else bounds.check(found)
    if output is not None:
        evaluation.write_report(found, output, violations)
    _print(found, violations, output, json)
    return 1 if violations else 0


def _narrowed(suite: "Suite", languages: str | None, cases: int | None) -> "Suite":
    if languages is not None:
        suite = suite.spoken_in(language.strip() for language in languages.split(","))
    return suite if cases is None else suite.first(cases)


def _print(
    found: "Evaluation", violations: "list[Violation] | None", output: Path | None, json: bool
) -> None:
    from timbral.evaluation.report import REPORT, sizes, summary

    for text in found.notes:
        terminal.note(text)
    if json:
        values = found.as_dict()
        if violations is not None:
            values["gate"] = {"passed": not violations, "violations": [str(one) for one in violations]}
        terminal.print_json(values)
        return
    terminal.print_table(summary(found))
    print()
    terminal.print_table(sizes(found))
    if output is not None:
        print(f"\n{output / REPORT}: the report, with a page for listening beside it")
    if violations is not None:
        print("\ngate: broken" if violations else "\ngate: passed")
        for violation in violations[:_MOST_SHOWN]:
            print(f"  {violation}")
        if len(violations) > _MOST_SHOWN:
            print(f"  and {len(violations) - _MOST_SHOWN} more; --json or the report lists them")
