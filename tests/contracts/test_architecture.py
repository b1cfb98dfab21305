"""The architecture page says what is there: floors, rooms, files, ten questions."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "napari_contrastseg"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
QUESTIONS = 10


def drawing() -> Any:
    path = ROOT / "docs" / "make_architecture.py"
    spec = importlib.util.spec_from_file_location("make_architecture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_floors_are_those_of_the_contracts() -> None:
    assert drawing().updated(PAGE) == PAGE, "run python docs/make_architecture.py"


def test_every_room_has_a_row() -> None:
    rooms = {path.parent.name for path in SRC.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, flags=re.MULTILINE)) == rooms


def test_every_room_with_floors_of_its_own_has_a_contract() -> None:
    """A small room needs none: its files do not import each other, or are one list."""
    alone = {"recipes", "query", "evaluation", "samples"}
    rooms = {path.parent.name for path in SRC.glob("*/__init__.py")}
    assert rooms - set(drawing().floors()) <= alone


def test_files_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE))
    assert len(named) > 3 * QUESTIONS
    missing = [
        name
        for name in named
        if not (SRC / name).is_file() and not (ROOT / name).is_file()
    ]
    assert not missing


def test_ten_questions_have_a_file_each() -> None:
    block = PAGE.split("## Where is ...?")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (Where .+\?) \| `(.+)` \|$", block, flags=re.MULTILINE)
    assert len(rows) == QUESTIONS
    assert len({name for _, name in rows}) == QUESTIONS
    assert all((SRC / name).is_file() for _, name in rows)
