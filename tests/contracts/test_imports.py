"""No circle of imports between files; type-checking and lazy imports count, too."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PACKAGE = "napari_contrastseg"


def module_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph(root: Path) -> dict[str, set[str]]:
    """Imports of each module, wherever in its file they stand."""
    files = {module_of(path, root): path for path in root.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & set(files)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= inner & set(files)
                if node.module in files and inner - set(files):
                    found[name].add(node.module)
    return found


def test_no_file_imports_itself_by_way_of_others() -> None:
    edges = graph(SRC)
    assert len(edges) > 100
    assert sum(map(len, edges.values())) > 500
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_for_type_checking_alone_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def f():\n    from two import g\n")
    (tmp_path / "two.py").write_text("if TYPE_CHECKING:\n    import one\n")
    with pytest.raises(CycleError):
        TopologicalSorter(graph(tmp_path)).prepare()
