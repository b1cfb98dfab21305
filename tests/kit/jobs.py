"""Tasks by name, for executors: they run here, or in another process."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import DeviceMemoryError
from napari_contrastseg.learning.runtime.compiler import COMPILER
from napari_contrastseg.learning.runtime.cores import PERSON
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.executors.process import AHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_contrastseg.tasks.requests import TrainRequest

    Now = Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Asked:
    """What these tasks are given."""

    arrays: tuple[NDArray[Any], ...] = ()
    count: int = 3
    marker: Path = Path()


def where(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Say which process it is, and what the person does."""
    for _ in range(asked.count):
        yield os.getpid(), now(), PERSON.is_there


def progressing(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Say how far it is right after something else."""
    del now
    yield asked.count
    yield Progress("predict", 0.5)


def loaded(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Say which of the modules that take long are there."""
    del asked, now
    yield [name for name in AHEAD if name in sys.modules]


def compiler(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Say whether torch's compiler is loaded, which takes seconds."""
    del asked, now
    yield COMPILER in sys.modules


def doubled(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Double the arrays in place, and give them."""
    del now
    for array in asked.arrays:
        np.multiply(array, 2, out=array)
        yield array


def layout(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Say how the arrays lie in memory."""
    del now
    yield tuple(tuple(np.argsort(np.abs(a.strides)).tolist()) for a in asked.arrays)


def raises(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Run out of a GPU's memory."""
    del asked, now
    yield 1
    raise DeviceMemoryError("cuda:0: its memory ran out.")


def raises_what_cannot_travel(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Fail with an error that holds a function."""
    del asked, now
    yield 1
    raise RuntimeError(lambda: 1)


def counts(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Count, and note in a file how far it came and that it was closed."""
    del now
    try:
        for number in range(asked.count):
            asked.marker.write_text(str(number))
            yield number
    finally:
        asked.marker.with_suffix(".closed").touch()


def crashes(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Crash as a driver does, after a step that is kept."""
    del now
    yield "begun"
    asked.marker.touch()
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()  # the signal may come a moment later


def goes_on(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Go on where `crashes` was lost."""
    del now
    yield "goes on" if asked.marker.exists() else "nothing is kept"


def lingers(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Give a model, perhaps say that it stays so, and do not answer for long."""
    del now
    yield import_module("tests.kit.models").untrained_model()
    if asked.count:
        yield Note("settled")
    asked.marker.touch()
    time.sleep(1 if not asked.count else 600)


def forever(asked: Asked, now: Now) -> Generator[Any, None, None]:
    """Report without an end."""
    del asked, now
    while True:
        yield Note(str(os.getpid()))


def trains_with_triton(asked: TrainRequest, now: Now) -> Generator[Any, None, None]:
    """Load Triton, and train."""
    from napari_contrastseg.tasks.resolve import resolve_here
    from napari_contrastseg.tasks.train import train

    del now
    import_module("triton")
    yield "triton" in sys.modules
    yield from train(resolve_here(asked))
