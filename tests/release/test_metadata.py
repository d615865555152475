"""The same facts in all places that state them: version, licences, extras."""

import re
from importlib.metadata import metadata, requires
from pathlib import Path

import timbral

ROOT = Path(__file__).parents[2]
NAMED_LICENCES = {
    "Apache-2.0": r"Apache-2\.0",
    "BSD-2-Clause": r"BSD-2-Clause",
    "BSD-3-Clause": r"BSD-3-Clause",
    "CC-BY-4.0": r"CC.BY[- ]4\.0",
    "CC-BY-SA-4.0": r"CC.BY.SA.4\.0",
    "MIT": r"\bMIT\b",
}


def test_the_version_is_stated_once_and_cited() -> None:
    assert metadata("timbral")["Version"] == timbral.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {timbral.__version__}\n" in citation


def test_the_licence_expression_names_all_licences_of_the_data() -> None:
    stated = set(metadata("timbral")["License-Expression"].split(" AND "))
    texts = [
        path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.md") if "LICEN" in path.name
    ]
    # A column "licence" of a table names the licence of a file that is in the package.
    found = {spdx for text in texts for spdx, pattern in NAMED_LICENCES.items() if re.search(pattern, text)}
    assert found <= stated
    assert stated <= set(NAMED_LICENCES)


def test_extra_all_brings_what_every_command_needs() -> None:
    """`[separate]` is not in it: it requires a package for non-commercial use alone (docs/dependencies.md)."""
    everything = set().union(
        *(names("timbral", extra) for extra in ("train", "hub", "data", "evaluate", "play", "denoise"))
    )
    assert names("timbral", "all") >= everything


def names(distribution: str, extra: str) -> set[str]:
    """Packages that an extra brings, extras of the same distribution resolved."""
    found: set[str] = set()
    for line in requires(distribution) or []:
        requirement, _, marker = line.partition(";")
        if f'extra == "{extra}"' not in marker.replace("'", '"'):
            continue
        own = re.match(r"timbral\[([^\]]+)\]", requirement)
        if own:
            found |= set().union(*(names(distribution, each) for each in own[1].split(",")))
        else:
            found.add(re.split(r"[<>=~!\[ ]", requirement)[0].lower())
    return found
