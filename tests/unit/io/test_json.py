"""JSON files: finite numbers, bounded depth, and a format number this version reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import check_format, loads, parse, read_json, write_json
from napari_contrastseg.io.volume import Source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "[-Infinity]", "[" * 999 + "]" * 999, "", "[1] 2"]
)
def test_what_no_other_program_reads_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        loads(text)


def test_numbers_come_back_exactly() -> None:
    numbers = [0.1, 1e-310, 5e-324, 1.7976931348623157e308, -0.0, 2**70]
    assert repr(loads(repr(numbers))) == repr(numbers)


@pytest.mark.parametrize("value", [None, [], {}, {"format": True}])
def test_what_does_not_say_its_format_is_called_damaged(value: Any) -> None:
    with pytest.raises(InputError, match=r"does not say its format.*copy it again"):
        check_format(value, 2, "f.json", oldest=1)


@pytest.mark.parametrize("value", [{"format": 3}, {"format": 0}])
def test_another_format_is_refused_with_what_to_do(value: Any) -> None:
    with pytest.raises(InputError, match="this version reads 1 to 2; update"):
        check_format(value, 2, "f.json", oldest=1)


def test_a_single_format_is_named_alone() -> None:
    assert check_format({"format": 2}, 2, "f.json") == 2
    with pytest.raises(InputError, match="format 1, this version reads 2; begin again"):
        check_format({"format": 1}, 2, "f.json", advice="begin again")


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        write_json(target, {"new": 2})
    assert read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_json_that_does_not_fit_names_the_field() -> None:
    with pytest.raises(InputError, match="path"):
        parse(Source, {"path": 3, "file_format": "nifti"}, "somewhere")
