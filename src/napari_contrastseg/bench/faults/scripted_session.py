"""A scripted annotator at work in a process of its own, until that is killed."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.io.scratch import lies_on_disk
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.editing.neighbour import copied_from_neighbour
from napari_contrastseg.session.editing.tools import (
    TOOLS,
    Asked,
    changes,
    on_slice,
    through_all,
)
from napari_contrastseg.session.freeze import FrozenVolumes, labelled_slices
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal, mask_of
from napari_contrastseg.tasks.events import TrainingBegan
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resumable import RUN, forget_run, run_resumable
from napari_contrastseg.tasks.smart_brush import refined_stroke
from napari_contrastseg.tasks.suggestions import Pointed, accept_suggestion, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from napari_contrastseg.session.editing.tools import Part

SHAPE = (8, 24, 24)
NAME = "phantom"
#: Actions between two rounds.
ROUND_EVERY = 20
STEPS = 12
SESSION, MASK = "session", "mask.nii.gz"


def new_session() -> tuple[Session, Any]:
    """Make a session with one small phantom and two classes, and its truth."""
    sample = phantom(0, SHAPE)
    session = Session()
    session.add_volume(replace(sample.volume, id=NAME))
    session.add_class("core")
    session.add_class("shell")
    return session, sample.truth


@contextmanager
def arrays_on_disk(wanted: bool) -> Iterator[None]:
    """Let no array be held in memory, here and in processes that are begun meanwhile.

    Raises
    ------
    RuntimeError
        They are held in memory all the same.
    """
    if not wanted:
        yield
        return
    before = os.environ.get(MEMORY_VARIABLE)
    os.environ[MEMORY_VARIABLE] = "0"
    try:
        session, _ = new_session()
        if not lies_on_disk(session.records[NAME].ink):
            raise RuntimeError("arrays are held in memory")
        yield
    finally:
        if before is None:
            del os.environ[MEMORY_VARIABLE]
        else:
            os.environ[MEMORY_VARIABLE] = before


class Annotator:
    """Does one small thing after the other, as a seed wants it."""

    def __init__(self, session: Session, truth: Any, seed: int) -> None:
        self.session, self.truth = session, truth
        self.rng = np.random.default_rng(seed)
        self.record = session.records[NAME]

    def act(self) -> None:
        """Do something: mostly paint."""
        does = (
            self.paint,
            self.review,
            self.mark,
            self.rename,
            self.step_back,
            self.set_aside,
            self.edit,
            self.smart_stroke,
            self.point,
        )
        chance = (0.35, 0.1, 0.1, 0.05, 0.15, 0.05, 0.1, 0.05, 0.05)
        does[self.rng.choice(len(does), p=chance)]()

    def paint(self) -> None:
        """Paint a few voxels right."""
        z, y, x = (int(self.rng.integers(n)) for n in SHAPE)
        where = np.zeros(SHAPE, bool)
        where[z, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
        value = np.where(self.truth == 0, BACKGROUND, self.truth)[where]
        painting.paint(self.session, NAME, where, value)

    def review(self) -> None:
        """Accept or reject a slice."""
        if self.record.proposal is None:
            return
        index = int(self.rng.integers(SHAPE[0]))
        if self.rng.random() < 0.5:  # noqa: PLR2004
            review.reject_slice(self.session, NAME, index)
        elif self.record.status[index] != Status.DONE:
            review.accept_slice(self.session, NAME, index)

    def mark(self) -> None:
        """Give a slice a status."""
        wanted = Status(int(self.rng.integers(3)))
        painting.mark(self.session, NAME, int(self.rng.integers(SHAPE[0])), wanted)

    def edit(self) -> None:
        """Use an editing tool: on a slice, through all, or a copy of the one before."""
        name = self.rng.choice([*TOOLS, "copy"])
        index = int(self.rng.integers(SHAPE[0]))
        asked = Asked(int(self.rng.integers(1, 3)), 1.0, 6)
        if name == "copy":
            after = copied_from_neighbour(self.record, index)
            parts: Iterable[Part] = [changes(self.record, index, after)]
        elif self.rng.random() < 0.5:  # noqa: PLR2004
            parts = [on_slice(self.record, index, TOOLS[name], asked)]
        else:
            parts = through_all(self.record, TOOLS[name], asked)
        painting.change_ink(self.session, NAME, parts, str(name))

    def smart_stroke(self) -> None:
        """Paint with the smart brush, as the window does with a stroke of napari's."""
        z, y, x = (int(self.rng.integers(n)) for n in SHAPE)
        where = np.zeros(SHAPE, bool)
        where[z, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
        value = int(self.rng.integers(1, 3))
        places = np.nonzero(where & (self.record.ink != value))
        before = self.record.ink[places]
        self.record.ink[places] = value
        refine = partial(refined_stroke, radius=2.0)
        stroke = [(places, before, value)]
        painting.commit_stroke(self.session, NAME, stroke, refine=refine)

    def point(self) -> None:
        """Drag a box or click, and accept what is suggested."""
        z, y, x = (int(self.rng.integers(n)) for n in SHAPE)
        here = Pointed(NAME, z, int(self.rng.integers(1, 3)), inside=((y, x),))
        if self.rng.random() < 0.5:  # noqa: PLR2004
            here = replace(here, inside=(), box=((y - 6, y + 7), (x - 6, x + 7)))
        accept_suggestion(self.session, here, suggest(self.session, here))

    def rename(self) -> None:
        """Rename a class."""
        name = f"core {self.rng.integers(9)}"
        self.session.change_class(1, name=name)

    def set_aside(self) -> None:
        """Close the volume and open it again, as a case of a cohort."""
        if self.record.has_labels:
            self.session.close_volume(NAME)
            self.session.open_volume(NAME)

    def step_back(self) -> None:
        """Undo or redo."""
        if self.rng.random() < 0.6:  # noqa: PLR2004
            self.session.undo()
        else:
            self.session.redo()


def request_of(session: Session, steps: int = STEPS) -> TrainRequest:
    """Ask for a round of a network small enough to be trained in a second."""
    recipe = recipe_named("hu2021")
    settings = replace(
        recipe.presets["sound"],
        network=NetworkSpec((4, 8), "instance", "instance"),
        neighbours=0,
        batch=4,
        global_batch=2,
        local_batch=2,
    )
    return TrainRequest(
        volumes=FrozenVolumes(session),
        classes=tuple(ModelClass(c.id, c.name) for c in session.classes),
        recipe="hu2021",
        settings=settings,
        budget=Budget(steps=steps),
        device="cpu",
        seed=len(session.rounds),
    )


def train_round(session: Session, folder: Path) -> None:
    """Train, predict and propose, kept in the session's folder."""
    request = request_of(session)
    number = len(session.rounds) + 1
    info = RoundInfo(number, "hu2021", labelled_slices(session), 0.0)
    model, proposals = None, {}
    few = FeatureProbe(count=60, wanted=bool)  # nobody looks
    for event in run_resumable(request, folder / RUN, info, propose=True, probe=few):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, Predicted):
            found = event.prediction
            proposal = Proposal(number, found.labels, found.confidence)
            proposals[event.volume_id] = proposal
    assert model is not None
    session.add_round(Round(info, model, Proposals(proposals)))
    forget_run(folder / RUN)


def annotate_until_killed(folder: Path, seed: int, pipe: Connection) -> None:
    """Work on; send every state to the pipe before it is kept.

    Sends (fingerprint, actions, rounds, seconds since 1970).
    """
    import torch

    from napari_contrastseg.learning.training import checkpoint  # noqa: PLC0415

    torch.set_num_threads(1)
    checkpoint.EVERY_SECONDS = 0.1  # type: ignore[misc]
    session, truth = new_session()
    actions = 0

    def send(_entry: Any = None) -> None:
        nonlocal actions
        actions += 1
        pipe.send((session.fingerprint, actions, len(session.rounds), time.time()))

    send()
    session.entry_added.connect(send)
    autosave = Autosave(session, folder / SESSION, print)
    autosave.flush()
    pipe.send(None)  # from now on the kill may come
    annotator = Annotator(session, truth, seed)
    while True:
        for _ in range(ROUND_EVERY):
            try:
                annotator.act()
            except InputError:
                continue  # a name that is taken
            time.sleep(float(annotator.rng.exponential(0.01)))
        record = session.records[NAME]
        write_mask(folder / MASK, mask_of(record, complete=True), record.volume)
        try:
            train_round(session, folder / SESSION)
        except InputError:
            continue  # nothing is labelled just now
