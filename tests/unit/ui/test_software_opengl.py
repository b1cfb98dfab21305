"""Triton is missing where Mesa draws with an LLVM of its own, and nowhere else."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.ui import software_opengl
from napari_contrastseg.ui.software_opengl import keep_triton_out

if TYPE_CHECKING:
    from pathlib import Path

MESA = "7f0-7f1 r-xp 00000000 fe:00 3 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1\n"
CARD = "7f0-7f1 r-xp 00000000 fe:00 3 /usr/lib/x86_64-linux-gnu/libnvidia-gl.so\n"


@pytest.fixture(autouse=True)
def triton_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    monkeypatch.delitem(sys.modules, "triton")


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, words: str) -> None:
    (folder / "maps").write_text(words)
    monkeypatch.setattr(software_opengl, "_LOADED", folder / "maps")


def test_triton_is_missing_where_mesa_draws_with_llvm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded(monkeypatch, tmp_path, CARD + MESA)
    keep_triton_out()
    with pytest.raises(ImportError):
        import triton  # noqa: F401
    assert find_spec("triton") is None


@pytest.mark.parametrize("words", [CARD, ""])
def test_it_stays_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    loaded(monkeypatch, tmp_path, words)
    keep_triton_out()
    assert "triton" not in sys.modules
    monkeypatch.setattr(software_opengl, "_LOADED", tmp_path / "none")
    keep_triton_out()
    assert "triton" not in sys.modules


def test_one_that_is_loaded_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = ModuleType("triton")
    monkeypatch.setitem(sys.modules, "triton", there)
    loaded(monkeypatch, tmp_path, MESA)
    keep_triton_out()
    assert sys.modules["triton"] is there
