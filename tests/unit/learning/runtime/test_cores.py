"""A core is left free while a person uses the window."""

from __future__ import annotations

import os

import pytest

from napari_contrastseg.learning.runtime.cores import (
    STAYS,
    Person,
    all_cores,
    cores_now,
)


class Watch:
    """A clock that is set by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)


@pytest.mark.usefixtures("four_cores")
def test_a_core_is_free_for_a_while_after_each_act() -> None:
    watch = Watch()
    person = Person(watch)
    assert cores_now(person) == 4
    person.acts()
    watch.seconds += 0.9 * STAYS
    assert cores_now(person) == 3
    watch.seconds += 0.2 * STAYS
    assert cores_now(person) == 4


@pytest.mark.usefixtures("four_cores")
def test_openmp_may_be_limited_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert all_cores() == 2


def test_one_core_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    person = Person()
    person.acts()
    assert cores_now(person) == 1
