"""The bound on memory, as the environment states it."""

from __future__ import annotations

import psutil
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE, memory_bound


def test_it_is_a_quarter_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY_VARIABLE, raising=False)
    assert memory_bound() == psutil.virtual_memory().total // 4


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("4 GB", 4 * 2**30), ("1.5gb", 3 * 2**29), ("512 MB", 2**29), ("1000", 1000)],
)
def test_the_environment_names_another(
    text: str, nbytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, text)
    assert memory_bound() == nbytes


def test_a_part_of_the_machine_is_an_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "50 %")
    assert memory_bound() == psutil.virtual_memory().total // 2


@pytest.mark.parametrize("text", ["much", "-1 GB", "4 G B", "nan"])
def test_what_is_no_amount_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, text)
    with pytest.raises(InputError, match="is not an amount of memory; write"):
        memory_bound()
