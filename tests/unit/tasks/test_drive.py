"""Every end of a task is an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished, drive

if TYPE_CHECKING:
    from collections.abc import Generator


def test_every_end_of_a_task_is_an_outcome() -> None:
    closed = []

    def task(error: Exception | None) -> Generator[int, None, None]:
        try:
            yield 1
            if error:
                raise error
        finally:
            closed.append(error)

    def ignore(_event: Any) -> None:
        return

    assert isinstance(drive(task(None), ignore, lambda: False), Finished)
    assert isinstance(drive(task(None), ignore, lambda: True), Cancelled)
    said = drive(task(InputError("say this")), ignore, lambda: False)
    assert isinstance(said, Failed)
    assert said.message == "say this"
    memory = drive(task(RuntimeError("out of memory")), ignore, lambda: False)
    assert isinstance(memory, Failed)
    assert "out of memory" in memory.message
    assert len(closed) == 4
