"""The package's structure: imports point down, in no circle; torch stays in its rooms; functions stay short.

The floors are those of docs/architecture.md.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "timbral"
LONGEST_FUNCTION = 60
WITH_TORCH = {"nets", "conversion", "training", "compression"}


def floors() -> list[set[str]]:
    """The rooms of each floor, the highest first, as docs/architecture.md lists them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = text.split("<!-- floors -->")[1].split("<!-- /floors -->")[0]
    return [
        {name.strip() for name in line.split(",")} for line in block.splitlines() if line.startswith("    ")
    ]


@cache
def modules() -> dict[str, Path]:
    """Every module and package by its name."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def room(module: str) -> str:
    """The folder or top module that a module belongs to; "" for the package itself."""
    return [*module.split("."), ""][1]


def runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        found += [node, *runtime_nodes(node)]
    return found


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in modules() else node.module for name in full]
    return []


@cache
def imports() -> dict[str, frozenset[str]]:
    """What each module imports when it runs, at once or later."""
    found = {}
    for name, path in modules().items():
        nodes = runtime_nodes(ast.parse(path.read_text(encoding="utf-8")))
        found[name] = frozenset(each for node in nodes for each in imported(node))
    return found


def test_every_room_is_on_a_floor() -> None:
    listed = [name for floor in floors() for name in floor]
    assert len(listed) == len(set(listed))
    assert set(listed) == {room(name) for name in modules()} - {"", "__main__"}


def test_imports_point_down() -> None:
    height = {name: -level for level, floor in enumerate(floors()) for name in floor}
    upward = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in targets
        if room(module) in height and room(target) in height and target.startswith("timbral.")
        if room(module) != room(target) and height[room(module)] <= height[room(target)]
    ]
    assert not upward


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count as well: they hide a circle and do not remove it."""
    open_, done = [], set()

    def visit(module: str) -> None:
        if module in open_:
            pytest.fail(" → ".join([*open_[open_.index(module) :], module]))
        if module in done:
            return
        open_.append(module)
        for target in sorted(imports()[module] & imports().keys()):
            if target != "timbral":  # `timbral.__version__`
                visit(target)
        open_.pop()
        done.add(module)

    for module in sorted(imports()):
        visit(module)


def test_torch_stays_in_its_rooms() -> None:
    with_torch = {
        room(module)
        for module, targets in imports().items()
        if {t.split(".")[0] for t in targets} & {"torch"}
    }
    assert with_torch <= WITH_TORCH


def test_the_top_of_the_package_is_small() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6


def test_functions_are_short() -> None:
    too_long = []
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert not too_long


@pytest.mark.parametrize("name", [name for name, path in modules().items() if path.name == "__init__.py"])
def test_every_package_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(ast.parse(modules()[name].read_text(encoding="utf-8")))
