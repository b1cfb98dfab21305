"""Learning in the background begins in idle moments, and gives way to a person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.background import Learned
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.learn.requests import freeze
from napari_contrastseg.ui.live import background
from napari_contrastseg.ui.live.background import BackgroundLearning
from tests.kit.rounds import a_model, add_round

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"
STEPS = 40


class Lessons:
    """Stands for the task: counts its steps, and how it ended."""

    def __init__(self) -> None:
        self.begun = self.steps = 0
        self.closed = False
        self.model = a_model()

    def __call__(self, volumes: Any) -> Generator[Any, None, None]:
        self.begun, self.steps, self.closed = self.begun + 1, 0, False
        assert len(volumes)
        try:
            for step in range(STEPS):
                time.sleep(0.01)
                self.steps = step + 1
                yield Progress("global contrast", self.steps / STEPS)
            yield Learned(self.model)
        finally:
            self.closed = True


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> Lessons:
    made = Lessons()
    monkeypatch.setattr(background, "learn_in_background", made)
    monkeypatch.setattr(background, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(background, "LOOK_MS", 10)
    monkeypatch.setattr(background, "_on_battery", lambda: False)
    return made


@pytest.fixture
def learning(workspace: Workspace, lessons: Lessons) -> Iterator[BackgroundLearning]:
    del lessons
    made = BackgroundLearning(workspace, lambda: True)
    yield made
    made.close()


def begins(qtbot: QtBot, lessons: Lessons, count: int = 1) -> None:
    qtbot.waitUntil(lambda: lessons.begun == count and lessons.steps > 0, timeout=9000)


def test_a_volume_is_learned_from_once(
    learning: BackgroundLearning,
    lessons: Lessons,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    qtbot.wait(200)
    assert lessons.steps == 0  # there is no volume yet
    with qtbot.waitSignal(learning.learned, timeout=20_000) as came:
        add(sample)
    assert came.args == [lessons.model]
    qtbot.waitUntil(lambda: not learning.running)
    qtbot.wait(300)
    assert lessons.begun == 1


def test_a_run_of_the_same_recipe_begins_with_what_was_learned(
    workspace: Workspace,
    learning: BackgroundLearning,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    with qtbot.waitSignal(learning.learned, timeout=20_000) as came:
        add(sample)
    assert came.args
    model: Any = came.args[0]
    session = workspace.session
    painting.paint(session, NAME, sample.truth == 1, 1)

    def start(recipe: str) -> Any:
        asked = freeze(session, "round", LearnSettings(recipe), workspace.pretrained)
        return asked.start

    assert start(model.card.recipe) is model
    assert start("simclr") is None
    add_round(session, sample.truth)
    assert start(model.card.recipe) is session.rounds.weights is not model
    workspace.replace(Session())
    assert workspace.pretrained is None


def test_it_waits_while_a_person_works_and_goes_on_afterwards(
    workspace: Workspace,
    learning: BackgroundLearning,
    lessons: Lessons,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(sample)
    begins(qtbot, lessons)
    monkeypatch.setattr(background, "IDLE_SECONDS", 1e6)
    workspace.go_to(3)
    assert learning.paused
    qtbot.wait(50)  # the step under way is finished
    steps = lessons.steps
    qtbot.wait(200)
    assert lessons.steps == steps < STEPS
    monkeypatch.setattr(background, "IDLE_SECONDS", 0.1)
    with qtbot.waitSignal(learning.learned, timeout=20_000):
        pass


def test_a_run_has_the_cores_for_itself(
    workspace: Workspace,
    learning: BackgroundLearning,
    lessons: Lessons,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    add(sample)
    begins(qtbot, lessons)
    words: list[str] = []
    learning.words_changed.connect(words.append)
    workspace.busy = True
    qtbot.waitUntil(lambda: learning.paused)
    qtbot.waitUntil(lambda: any("waits for the round" in said for said in words))
    workspace.busy = False
    qtbot.waitUntil(lambda: not learning.paused)


def test_it_ends_with_the_first_round_and_when_it_is_switched_off(
    workspace: Workspace,
    learning: BackgroundLearning,
    lessons: Lessons,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    add(sample)
    begins(qtbot, lessons)
    learning.switch(on=False)
    qtbot.waitUntil(lambda: not learning.running and lessons.closed)
    learning.switch(on=True)
    begins(qtbot, lessons, 2)
    add_round(workspace.session, sample.truth)
    qtbot.waitUntil(lambda: not learning.running and lessons.closed)
    qtbot.wait(300)
    assert lessons.begun == 2


def test_closing_ends_it_in_the_middle_even_while_it_waits(
    workspace: Workspace,
    learning: BackgroundLearning,
    lessons: Lessons,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    add(sample)
    begins(qtbot, lessons)
    painting.paint(workspace.session, NAME, sample.truth == 1, 1)
    assert learning.paused
    learning.close()
    assert lessons.closed
    assert lessons.steps < STEPS
