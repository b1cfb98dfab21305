"""A process that waits for jobs: started once for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.tasks.executors.process import ProcessExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def process(light_children: None) -> Iterator[ProcessExecutor]:
    del light_children
    made = ProcessExecutor()
    made.start_ahead()
    yield made
    made.close()
