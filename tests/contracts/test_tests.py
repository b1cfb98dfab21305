"""Tests mirror the source, and share what they share through ``tests/kit``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "src" / "napari_contrastseg"
MODULES = sorted(TESTS.rglob("test_*.py"))
UNITS = sorted((TESTS / "unit").rglob("test_*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def imported(path: Path) -> set[str]:
    """Every module that a file imports, or may import a name from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}: a relative import"
            found |= {node.module}
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_module_imports_a_test_module() -> None:
    tests = {f"tests.{name_of(path)[:-3].replace('/', '.')}" for path in MODULES}
    wrong = {
        name_of(path): sorted(found)
        for path in TESTS.rglob("*.py")
        if (found := imported(path) & tests)
    }
    assert not wrong, "move what they share to tests/kit, and fixtures to a conftest.py"


def test_a_room_of_tests_is_a_room_of_the_source() -> None:
    rooms = {path.parent.relative_to(TESTS / "unit") for path in UNITS}
    assert not {r for r in rooms if not (SOURCE / r / "__init__.py").is_file()}


def subjects(path: Path) -> list[Path]:
    """Where the source of a test may be: test_a_b.py tests a_b.py, or b of a.py."""
    room = SOURCE / path.parent.relative_to(TESTS / "unit")
    words = path.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    own = [room / "__init__.py"] if room.name in names else []
    return own + [
        place
        for name in names
        for place in (room / f"{name}.py", room / name / "__init__.py")
    ]


def test_a_test_module_is_named_after_what_it_tests() -> None:
    """But for the dock's panels and forms, which are tested across its rooms."""
    others = [path for path in UNITS if path.parent != TESTS / "unit" / "ui"]
    assert len(others) > 90
    nameless = [p for p in others if not any(s.is_file() for s in subjects(p))]
    assert not [name_of(path) for path in nameless]


def test_tests_without_torch_do_not_wait_for_it() -> None:
    """Loading it takes seconds, in every process that runs tests."""
    code = "import sys, tests.conftest; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
