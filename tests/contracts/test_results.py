"""Results that are committed never change, and today's code still knows them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_contrastseg.bench.compare.cells import Cell
from napari_contrastseg.bench.compare.stored_result import settings_asked, stored_result
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "results"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "list_results", DOCS / "list_results.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTING: Any = _script()


#: Folders of `bench methods` whose cells have other settings than the recipes have now;
#: a recipe that changes on purpose puts them here and leaves the cells alone.
OUTDATED: tuple[str, ...] = (
    # `recommended` learns from interpolation now, and contrasts classes first
    "methods/acdc-short",
    "methods/hippocampus-full",
    "methods/hippocampus-short",
    "methods/isbi2012-short",
    "methods/kvasir-short",
)


def committed_cells() -> list[Path]:
    """Cells of `bench methods`, which name all that decides them."""
    names = LISTING.read_listed()
    read = {name: json.loads((RESULTS / name).read_text()) for name in names}
    return [RESULTS / n for n, r in read.items() if "fraction" in r.get("request", {})]


def test_a_committed_result_is_what_it_was() -> None:
    assert len(LISTING.read_listed()) >= 109
    assert LISTING.changed() == [], "results are added, never edited: restore these"


def test_an_edited_result_is_noticed_and_a_new_one_is_welcome(tmp_path: Path) -> None:
    for name in ("kept", "edited", "removed"):
        (tmp_path / f"{name}.json").write_text(f'{{"of": "{name}"}}\n')
    listed = tmp_path / "checksums.txt"
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in tmp_path.glob("*.json")
    ]
    listed.write_text("".join(lines))
    (tmp_path / "edited.json").write_text('{"of":  "edited"}\n')
    (tmp_path / "removed.json").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "new.json").write_text("{}")
    assert sorted(LISTING.changed(tmp_path, listed)) == ["edited.json", "removed.json"]
    assert LISTING.unlisted(tmp_path, listed) == ["folder/new.json"]


def test_committed_cells_are_not_run_again() -> None:
    found = committed_cells()
    assert len(found) >= 43
    outdated = set()
    for path in found:
        stored = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Cell)} & stored["request"].keys()
        cell = Cell(device="cpu", **{name: stored["request"][name] for name in known})
        request = stored["request"] | {"settings": settings_asked(cell)}
        try:
            assert stored_result(path, request, cell) == stored
        except InputError:
            outdated.add(path.parent.relative_to(RESULTS).as_posix())
    assert outdated == set(OUTDATED)
