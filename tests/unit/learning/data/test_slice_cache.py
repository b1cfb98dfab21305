"""Slices that are read ahead where they do not all fit into memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data import slice_cache as shelf
from tests.kit.cohorts import a_cohort

if TYPE_CHECKING:
    from napari_contrastseg.learning.data.batch import Batch
    from napari_contrastseg.learning.data.cohort import Cohort

CPU = torch.device("cpu")


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shelf keep four slices of 40 x 40."""
    monkeypatch.setattr(shelf, "memory_budget", lambda _: 0)
    monkeypatch.setattr(shelf, "KEPT_BYTES", 4 * 4 * 40 * 40)


@pytest.mark.parametrize("largest", [64, 24])
def test_slices_that_do_not_fit_give_the_same_batches(
    largest: int, request: pytest.FixtureRequest
) -> None:
    def batches(cohort: Cohort) -> list[Batch]:
        rng, found = np.random.default_rng(0), []
        for start in range(0, 24, 4):
            found.append(cohort.batch(cohort.all[start : start + 4], rng))
            cohort.read_ahead(cohort.all[start + 4 : start + 8])
        cohort.close()
        return found

    resident = a_cohort(largest)
    assert resident._shelf.resident
    at_hand = batches(resident)
    request.getfixturevalue("no_room")
    streamed = a_cohort(largest)
    assert not streamed._shelf.resident
    for one, other in zip(at_hand, batches(streamed), strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.weight, other.weight)
    assert len(streamed._shelf._images) == 0, "closed"


class Reader:
    """Gives slices of 40 x 40, and counts; slice 13 cannot be read."""

    def __init__(self) -> None:
        self.read: list[tuple[int, str]] = []

    def image(self, place: shelf.Place) -> Tensor:
        self.read.append((place[1], threading.current_thread().name))
        if place[1] == 13:
            raise InputError("this slice cannot be read")
        return torch.full((1, 40, 40), float(place[1]))

    def labels(self, _: shelf.Place) -> shelf.Labels:
        return torch.zeros(40, 40), torch.ones(40, 40)


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if "contrastseg-read-ahead" in t.name]


@pytest.mark.usefixtures("no_room")
def test_a_thread_reads_what_is_wanted_soon() -> None:
    reader = Reader()
    kept = shelf.SliceCache(reader.image, reader.labels, 1, CPU)
    kept.read_ahead([])
    assert not readers()
    kept.read_ahead([(0, 1), (0, 13), (0, 2)])
    assert kept._ahead is not None
    kept._ahead.submit(lambda: None).result(timeout=10)
    assert [number for number, _ in reader.read] == [1, 13, 2]
    assert all("contrastseg-read-ahead" in thread for _, thread in reader.read)
    assert kept.image((0, 2))[0, 0, 0] == 2
    assert len(reader.read) == 3, "it was there"
    with pytest.raises(InputError, match="cannot be read"):
        kept.image((0, 13))
    for number in (1, 5, 6, 7, 8, 5, 9):
        kept.image((0, number))
    assert [number for _, number in kept._images] == [7, 8, 5, 9], "latest used"
    assert len(readers()) == 1
    kept.close()
    assert not readers()
    assert not kept._images
