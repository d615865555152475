"""The same facts in all places that state them: version, licences, extras."""

import ast
import re
import sys
from importlib.metadata import metadata, packages_distributions, requires
from pathlib import Path

import pytest

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

PARTS = {"anyio": "fastapi", "pydantic_core": "pydantic", "starlette": "fastapi"}
"""Modules of what another distribution is made of, whose interface gives them out."""


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


@pytest.mark.parametrize(
    ("room", "extras", "where_installed"),
    [
        ("serving", ("serve",), {"opentelemetry", "ray"}),
        ("evaluation", ("evaluate",), {"distillmos", "pesq"}),
        ("hub", ("hub",), set()),
        ("inference", (), {"openvino"}),
        ("text", (), set()),
        ("audio", (), {"av", "miniaudio"}),
        ("voices", (), set()),
        ("models", (), set()),
    ],
)
def test_an_extra_brings_what_its_room_imports(
    room: str, extras: tuple[str, ...], where_installed: set[str]
) -> None:
    """Also what is imported late. where_installed: modules that it uses only where they are there already."""
    brought = names("timbral", "").union(*(names("timbral", extra) for extra in extras))
    distributions = packages_distributions()
    missing = {
        (path.name, module)
        for path in (ROOT / "src/timbral" / room).rglob("*.py")
        for module in imported(path) - where_installed - {"timbral", *sys.stdlib_module_names}
        if not brought
        & ({canonical(name) for name in distributions.get(module, [])} | {PARTS.get(module, "")})
    }
    assert not missing


def imported(path: Path) -> set[str]:
    """Names of the top-level modules that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def canonical(name: str) -> str:
    """The name of a distribution as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(distribution: str, extra: str) -> set[str]:
    """Packages that an extra brings, extras of the same distribution resolved; "": those of every installation."""
    found: set[str] = set()
    for line in requires(distribution) or []:
        requirement, _, marker = line.partition(";")
        if f'extra == "{extra}"' not in marker.replace("'", '"') if extra else "extra" in marker:
            continue
        own = re.match(r"timbral\[([^\]]+)\]", requirement)
        if own:
            found |= set().union(*(names(distribution, each) for each in own[1].split(",")))
        else:
            found.add(canonical(re.split(r"[<>=~!\[ ]", requirement)[0]))
    return found
