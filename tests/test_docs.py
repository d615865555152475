"""The documentation is true: its Python runs, its commands exist, its links lead somewhere, its generated parts are current."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.generate import ARCHITECTURE, CLI, DECISIONS, cli_reference, with_decisions, with_tree
from timbral.cli.main import app

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGES = sorted(
    page
    for folder in ("", "benchmarks", "docs/**", "recipes/*", "tests/data")
    for page in ROOT.glob(f"{folder}/*.md" if folder else "*.md")
    if "goldens" not in page.parts
)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)")
COMMAND = re.compile(r"(?:^    |^\$ |\| |`|&& )(timbral [^`\n]+)", re.MULTILINE)


def names(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


WITH_PYTHON = [page for page in PAGES if PYTHON.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=names(WITH_PYTHON))
def test_python_in_the_documentation_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page run one after the other, in a folder with the recordings that they name."""
    for name in ("me.wav", "more.wav"):
        shutil.copy(EXAMPLES / "english.flac", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for block in PYTHON.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_to_files(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def unknown_in(line: str) -> set[str]:
    """Words of a command line that stand for a command or an option and are none."""
    line = re.split(r" [>|] | && |  #", line.replace("\\|", "|").rstrip("\\"))[0]
    words = shlex.split(line)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    subcommand = {word for word in words[:1] if getattr(command, "commands", {}) and word.islower()}
    return (given | subcommand) - options - {"--help", "--debug", "--version"}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_in_the_documentation_exist(page: Path) -> None:
    lines = COMMAND.findall(page.read_text(encoding="utf-8"))
    assert not {line: unknown for line in lines if (unknown := unknown_in(line))}


def test_generated_parts_are_current() -> None:
    """`make reference` renews them."""
    assert CLI.read_text(encoding="utf-8") == cli_reference()
    for page, renewed in ((ARCHITECTURE, with_tree), (DECISIONS, with_decisions)):
        text = page.read_text(encoding="utf-8")
        assert text == renewed(text)


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")), ids=lambda page: page.stem
)
def test_a_decision_has_context_decision_and_consequence(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:3]}: ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]


def test_the_readme_is_short_and_links_what_the_examples_make(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make.py", tmp_path], check=True)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in EXAMPLES.glob("*.mp3")}
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 150
        assert made <= {Path(link).name for link in LINK.findall(text)}


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: pip install '.[docs]'"
)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Strict: a page that is missing, a link or an anchor that leads nowhere, fails."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "timbral.load" in (tmp_path / "site/reference/python/index.html").read_text(encoding="utf-8")
