"""Methods of `bench within`: what each says of a volume with a few labels."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_contrastseg import proposers
from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.within.one_volume import run_a_round
from napari_contrastseg.bench.within.plain import PLAIN, PlainInterpolation
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.recipes import base_of, catalogue
from napari_contrastseg.session.freeze import frozen_classes
from napari_contrastseg.tasks.priority import TASK_NICENESS, lower_priority
from napari_contrastseg.tasks.requests import TrainRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_contrastseg.bench.within.one_volume import OneVolume, RoundReport
    from napari_contrastseg.learning.plan.stage import Budget

    #: Class ids of one slice, by its number.
    SliceBySlice = Callable[[int], NDArray[np.uint8]]

#: Peers that can learn from single slices of one volume.
PEERS: Final = ("random_forest",)


@dataclass(frozen=True, eq=False)
class WithinAnswer:
    """What a method says of a volume, and how long that took.

    Attributes
    ----------
    labels : (z, y, x) uint8
        Slice axis first.
    first_s, final_s : float
        Seconds to the first and to the last answer. The first is of the shown slice
        where slices come one by one, else of the whole volume.
    steps : int
    first : (z, y, x) uint8, or None
        The first answer, where that was another one.
    more : dict
        What else the cell's file holds.
    """

    labels: NDArray[np.uint8]
    first_s: float
    final_s: float
    steps: int = 0
    first: NDArray[np.uint8] | None = None
    more: dict[str, Any] = field(default_factory=dict)


def is_quick(method: str) -> bool:
    """Whether a method takes no minutes or steps: it is done at once."""
    return method in PLAIN or method in proposers.catalogue()


def has_budget(method: str) -> bool:
    """Whether minutes or steps mean something to a method."""
    return not is_quick(method) and method not in PEERS


def check(method: str, preset: str, device: str) -> None:
    """See that there is such a method, and that it can be run.

    Raises
    ------
    InputError
        It is none, or needs what is not here.
    """
    if is_quick(method):
        return
    if method not in PEERS and base_of(method) not in catalogue():
        known = (*PLAIN, *proposers.catalogue(), *PEERS, *catalogue())
        raise InputError(
            f"There is no method {method!r}; choose of {', '.join(known)}."
        )
    peers.check(method, preset, device)


def settings(method: str, preset: str) -> Any:
    """Give all settings of a method; of one that has none, an empty dict."""
    return {} if is_quick(method) else peers.settings(method, preset)


def answer(
    method: str, one: OneVolume, preset: str, budget: Budget, seed: int, device: str
) -> WithinAnswer:
    """Let a method answer.

    Raises
    ------
    InputError
        It can say nothing, or cannot be used.
    """
    if is_quick(method):
        return _quick(method, one)
    if method in PEERS:
        return _peer(method, one, seed, device)
    return _recipe(method, one, preset, budget, seed, device)


def _quick(method: str, one: OneVolume) -> WithinAnswer:
    """Ask for the slice in the middle of the structure first, then for all others."""
    count = len(one.record.status)
    shown = one.shown
    labels = np.zeros(one.planes(one.truth).shape, np.uint8)
    start = time.perf_counter()
    slices = slice_by_slice(method, one)
    labels[shown] = slices(shown)
    first_s = time.perf_counter() - start
    for index in range(count):
        if index != shown:
            labels[index] = slices(index)
    return WithinAnswer(labels, first_s, time.perf_counter() - start)


def slice_by_slice(method: str, one: OneVolume) -> SliceBySlice:
    """Give what a quick method says of each slice.

    Raises
    ------
    InputError
        It can say nothing of what is labelled.
    """
    known = one.known()
    for kind in PLAIN:
        if method == kind:
            return PlainInterpolation(known.truth, known.classes, kind).labels
    found = proposers.proposer_named(method).propose(known)
    if found is None:
        raise InputError(f"{one.id}: {method} can say nothing of what is labelled.")
    ids = np.array([0, *known.classes], np.uint8)
    return lambda index: ids[found.probabilities(index).argmax(axis=0)]


def _peer(method: str, one: OneVolume, seed: int, device: str) -> WithinAnswer:
    volume = one.record.volume
    request = TrainRequest(
        volumes=(TrainingVolume(volume, one.record.truth),),
        classes=frozen_classes(one.session),
        slices=one.session.slices,
        recipe=method,
        device=device,
        seed=seed,
    )
    start = time.perf_counter()
    learned, _ = peers.learn_to_the_end(request)
    ((_, found),) = learned.predict([volume])
    seconds = time.perf_counter() - start
    return WithinAnswer(one.planes(found.labels), seconds, seconds)


def _recipe(
    method: str, one: OneVolume, preset: str, budget: Budget, seed: int, device: str
) -> WithinAnswer:
    """Run a round as the window does: behind it, and with a core to spare."""
    import torch  # noqa: F401  not counted: the window has loaded it before

    lower_priority(TASK_NICENESS)
    one.follow()
    events = run_a_round(one, method, preset, budget, seed, device)
    while True:
        try:
            next(events)
        except StopIteration as end:
            report = cast("RoundReport", end.value)
            break
    assert report.first is not None
    return WithinAnswer(
        one.planes(one.record.prediction),
        report.first_s,
        report.final_s,
        report.steps,
        one.planes(report.first.labels),
        {
            "shown_s": None if report.shown_s is None else round(report.shown_s, 3),
            "trained_s": round(report.trained_s, 3),
            "stages": report.stages,
        },
    )
