"""Fits keep to one BLAS thread, and leave BLAS as it was."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from napari_contrastseg.proposers import appearance
from napari_contrastseg.proposers.appearance import Appearance
from napari_contrastseg.proposers.one_thread import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


def threads() -> set[int]:
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    """Two threads, whatever the tests run with."""
    with threadpool_limits(2, "blas"):
        yield


def test_blas_has_one_thread_until_the_last_one_that_asked_is_done() -> None:
    if threads() != {2}:
        pytest.skip("this BLAS has no threads to limit")
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(60)

    with one_blas_thread(), one_blas_thread():
        assert threads() == {1}
    assert threads() == {2}
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0
    assert threads() == {2}
    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert inside.wait(60)
    assert threads() == {1}, "the other one is still there"
    leave.set()
    thread.join()


def test_looks_are_learned_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = threads(), set[int]()
    step = appearance._newton_step

    def watched(*about: Any) -> Any:
        seen.update(threads())
        return step(*about)

    monkeypatch.setattr(appearance, "_newton_step", watched)
    rows = np.random.default_rng(0).random((60, 4)).astype(np.float32)
    Appearance(rows, (rows[:, 0] > 0.5).astype(np.int64), 4)
    assert seen == {1}
    assert threads() == before
