"""The journal: whatever happens to the program, what was done is on the disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session, open_folder
from napari_contrastseg.session.targets import Status
from tests.kit.session_state import assert_same, same_state, work_of
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.session.storage.save_status import SaveProblem


def test_a_journal_cut_anywhere_opens(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    states = [work_of(session)]
    for row in range(3):
        painting.paint(session, NAME, box(session, 3, row), 1)
        states.append(work_of(session))
    autosave.flush()
    (path,) = autosave.folder.glob("journal-*")
    whole = path.read_bytes()
    sizes = {len(whole[:cut]) for cut in range(len(whole) - 60, len(whole) + 1)}
    for cut in sorted(sizes):
        path.write_bytes(whole[:cut])
        found = work_of(load_session(autosave.folder))
        match = [i for i, s in enumerate(states) if s["undo"] == found["undo"]]
        assert match
        assert any(
            np.array_equal(found[NAME]["ink"], states[i][NAME]["ink"]) for i in match
        )
        if cut == len(whole):
            assert_same(found, states[-1])
    damaged = bytearray(whole)
    damaged[-5] ^= 1
    path.write_bytes(bytes(damaged))
    assert_same(work_of(load_session(autosave.folder)), states[2])
    path.write_bytes(whole)


class JournalMachine(RuleBasedStateMachine):
    """Any order of work, undo, rounds and restarts, against copies of the state."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.place = Path(tempfile.mkdtemp())
        self.count = 0
        small = phantom(0, (4, 6, 6))
        self.truth = small.truth
        self.session = Session()
        self.session.add_volume(replace(small.volume, id=NAME))
        self.session.add_class()
        self.session.add_class()
        self.session.history.clear()
        self.autosave = Autosave(self.session, self.place / "0", print)
        self.past: list[Any] = [self.state()]
        self.future: list[Any] = []

    def teardown(self) -> None:
        self.autosave.close()
        shutil.rmtree(self.place)

    def state(self) -> Any:
        found = work_of(self.session)
        del found["undo"]
        for name in ("prediction", "pseudo"):  # derived: see `derived`
            del found[NAME][name]
        return found

    def after(self) -> None:
        now = self.state()
        if not same_state(now, self.past[-1]):
            self.past.append(now)
            self.future.clear()

    @rule(
        value=st.sampled_from([0, 1, 2, 255]), z=st.integers(0, 3), y=st.integers(0, 5)
    )
    def paint(self, value: int, z: int, y: int) -> None:
        where = np.zeros((4, 6, 6), bool)
        where[z, y, 1:4] = True
        painting.paint(self.session, NAME, where, value)
        self.after()

    @rule(z=st.integers(0, 3), value=st.sampled_from([1, 2]))
    def fill(self, z: int, value: int) -> None:
        where = np.zeros((4, 6, 6), bool)
        where[z] = self.session.records[NAME].ink[z] == 0
        painting.paint(self.session, NAME, where, value)
        self.after()

    @rule(z=st.integers(0, 3), y=st.integers(0, 5), value=st.sampled_from([0, 1, 2]))
    def correct(self, z: int, y: int, value: int) -> None:
        record = self.session.records[NAME]
        if record.proposal is None:
            return
        place = tuple(np.array([i]) for i in (z, y, 2))
        old = record.prediction[place].copy()
        if old[0] == value:
            return
        painting.commit_stroke(self.session, NAME, [(place, old, value)], "prediction")
        self.after()

    @rule(z=st.integers(0, 3), accepts=st.booleans())
    def judge(self, z: int, accepts: bool) -> None:
        record = self.session.records[NAME]
        if record.proposal is None or record.status[z] == Status.DONE:
            return
        (review.accept_slice if accepts else review.reject_slice)(self.session, NAME, z)
        self.after()

    @rule(z=st.integers(0, 3), status=st.sampled_from(list(Status)))
    def mark(self, z: int, status: Status) -> None:
        painting.mark(self.session, NAME, z, status)
        self.after()

    @rule(name=st.sampled_from(["liver", "lung"]))
    def rename(self, name: str) -> None:
        self.session.change_class(1, name=name)
        self.after()

    @rule(seed=st.integers(0, 9))
    def new_round(self, seed: int) -> None:
        add_round(self.session, np.roll(self.truth, seed, axis=2))
        # no step of the history; that earlier rounds were brought back is forgotten
        now = self.state()
        steps = [*self.past, *reversed(self.future)]
        here = len(self.past)
        kept: list[Any] = []
        for number, step in enumerate(steps):
            step |= {"rounds": now["rounds"], "standing": now["standing"]}
            if kept and same_state(step, kept[-1]):
                here -= number < len(self.past)
            else:
                kept.append(step)
        self.past, self.future = kept[:here], list(reversed(kept[here:]))

    @rule(which=st.integers(0, 5))
    def bring_back(self, which: int) -> None:
        if self.session.rounds:
            number = 1 + which % len(self.session.rounds)
            self.session.bring_back(number)
            self.after()

    @rule()
    def undo(self) -> None:
        if self.session.undo() is not None:
            self.future.append(self.past.pop())

    @rule()
    def redo(self) -> None:
        if self.session.redo() is not None:
            self.past.append(self.future.pop())

    @rule()
    def save(self) -> None:
        record = self.session.records[NAME]
        if record.proposal is not None:  # who opens a session looks for specks at once
            pieces = record.look_at_pieces(c.id for c in self.session.classes)
            self.session.take_pieces(NAME, pieces)
        assert self.autosave.flush(30)
        assert_same(work_of(load_session(self.autosave.folder)), work_of(self.session))

    @rule(crash=st.booleans())
    def reopen(self, crash: bool) -> None:
        assert self.autosave.flush(30)
        self.count += 1
        folder = self.place / str(self.count)
        if crash:
            shutil.copytree(self.autosave.folder, folder)
            (folder / ownership.OWNER).unlink()
        self.autosave.close()
        if not crash:
            shutil.copytree(self.autosave.folder, folder)
        opened = open_folder(folder)
        assert not opened.notes
        self.session = opened.session
        self.autosave = Autosave(self.session, folder, print, opened=opened)

    @invariant()
    def same(self) -> None:
        JournalMachine.made += 1
        assert_same(self.state(), self.past[-1])

    @invariant()
    def derived(self) -> None:
        record = self.session.records[NAME]
        shown = record.prediction.copy(), record.pseudo.copy()
        record.refresh(self.session.all_thresholds())
        assert np.array_equal(shown[0], record.prediction)
        assert np.array_equal(shown[1], record.pseudo)


#: Steps in all, at least: 10000 for the long run, `nox -s tests` takes a short one.
STEPS = int(os.environ.get("CONTRASTSEG_STEPS", "150"))
JournalMachine.TestCase.settings = settings(
    max_examples=STEPS // 25 + 1, stateful_step_count=40, deadline=None
)
TestJournal = JournalMachine.TestCase


def test_the_journal_was_tried_often_enough() -> None:
    assert JournalMachine.made >= STEPS
