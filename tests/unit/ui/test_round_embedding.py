"""The map of a round that came without one: it is made once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.ui.embedding import round_embedding as module
from napari_contrastseg.ui.embedding.round_embedding import RoundMap
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


class Work:
    """Embeddings that wait to be let go."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.go = threading.Event()

    def embed(self, request: Any) -> Generator[str, None, None]:
        self.begun.append(request.model)
        yield "begun"
        self.go.wait(60)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    monkeypatch.setattr(module, "embed", made.embed)
    return made


@pytest.fixture
def shown(
    workspace: Workspace, add: Add, sample: Sample, work: Work
) -> Iterator[RoundMap]:
    """The map of a round without an embedding, which is being made."""
    add(sample)
    made = RoundMap(workspace)
    add_round(workspace.session, sample.truth)
    workspace.proposals_shown.emit()
    yield made
    work.go.set()
    made.close()


def test_the_map_of_a_round_is_begun_once(
    qtbot: QtBot, shown: RoundMap, work: Work
) -> None:
    qtbot.waitUntil(lambda: len(work.begun) == 1, timeout=60_000)
    shown.show()
    assert not shown.runner.replaced
    work.go.set()
    qtbot.waitUntil(lambda: not shown.runner.running, timeout=60_000)
    qtbot.wait(20)
    assert len(work.begun) == 1


def test_a_map_that_was_stopped_is_made_again(
    qtbot: QtBot, shown: RoundMap, work: Work
) -> None:
    qtbot.waitUntil(lambda: len(work.begun) == 1, timeout=60_000)
    shown.stop()
    shown.show()
    work.go.set()
    qtbot.waitUntil(lambda: len(work.begun) == 2, timeout=60_000)


def test_another_round_takes_the_place_of_the_one_before(
    qtbot: QtBot, shown: RoundMap, work: Work, workspace: Workspace, sample: Sample
) -> None:
    qtbot.waitUntil(lambda: len(work.begun) == 1, timeout=60_000)
    add_round(workspace.session, sample.truth)
    shown.show()
    work.go.set()
    qtbot.waitUntil(lambda: len(work.begun) == 2, timeout=60_000)
    assert work.begun[1] is workspace.session.rounds[-1].model
