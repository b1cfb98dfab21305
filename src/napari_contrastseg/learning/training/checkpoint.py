"""Training checkpoints: a folder of JSON and safetensors, replaced as a whole.

A run resumed from a checkpoint gives the same weights as one that was never interrupted
(on the CPU, with a number of steps, bit for bit): parameters, averages, heads, the
optimiser's moments, every random generator and the slices that wait.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, replacing
from napari_contrastseg.io.json import (
    check_format,
    parse,
    read_json,
    to_plain,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn

    from napari_contrastseg.learning.runtime.rng import Randomness

FORMAT: Final = 3
#: Seconds between two checkpoints.
EVERY_SECONDS: Final = 20.0
#: Sooner at the beginning: after so many seconds, and then a quarter of the run.
_FIRST_SECONDS, _SHARE = 3.0, 0.25
_ABOUT: Final = "checkpoint.json"


@dataclass(frozen=True)
class FinishedStage:
    """A stage that was over before the checkpoint."""

    name: str
    steps: int
    seconds: float
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Position:
    """Position of a run: stage, step, generators, slices that wait.

    Attributes
    ----------
    identity : str
        Of the request; a run resumes only with the same one.
    stage : int
        Number of the stage that runs; the number of stages when all are over.
    step : int
    seconds : float
        Spent in the stage.
    parts : int
        Microbatches.
    queues : tuple of tuple of int
        Slices that wait to be seen, of each stream.
    numpy : dict
        State of the numpy generator.
    """

    format: int
    identity: str
    stage: int
    step: int
    seconds: float
    parts: int
    loss: tuple[float, ...]
    queues: tuple[tuple[int, ...], ...]
    numpy: dict[str, Any]
    finished: tuple[FinishedStage, ...]
    tensors: str


@dataclass(frozen=True)
class State:
    """A checkpoint in memory: a position and the tensors that go with it."""

    position: Position
    tensors: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names begin with `prefix`, without it."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


class Checkpoints:
    """The folder of a run's checkpoints.

    Parameters
    ----------
    folder : Path
        Used for nothing else: its contents are replaced.
    identity : str
        Of the request.
    ours : callable
        Whether the folder is still ours; nothing is written where it is not.
    """

    def __init__(
        self, folder: Path, identity: str, ours: Callable[[], bool] = lambda: True
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._ours = ours
        self._begun = self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for the next one: little is lost of a young run, too."""
        now = time.monotonic()
        soon = max(_FIRST_SECONDS, _SHARE * (now - self._begun))
        return now - self._last >= min(EVERY_SECONDS, soon)

    def save(self, state: State) -> None:
        """Write a checkpoint in place of the last; a full disk does not stop a run."""
        self._last = time.monotonic()
        if not self._ours():
            return
        name = state.position.tensors
        try:
            with replacing(self.folder / name) as temporary:
                save_file(state.tensors, temporary)
            write_json(self.folder / _ABOUT, to_plain(state.position))
        except (InputError, OSError, SafetensorError):
            return
        for old in self.folder.glob("*.safetensors"):
            if old.name != name:
                with suppress(OSError):
                    old.unlink()

    def load(self) -> State | None:
        """Read the last checkpoint of this run; None without a readable one."""
        try:
            position = read_position(self.folder)
            if position is None or position.identity != self.identity:
                return None
            path = self.folder / position.tensors
            if path.parent != self.folder or path.is_symlink():
                return None
            need_file(path)
            return State(position, load_file(path))
        except (InputError, OSError, SafetensorError):
            return None

    def clear(self) -> None:
        """Delete the checkpoints: the run is over."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_position(folder: Path) -> Position | None:
    """Read the position of a run's last checkpoint; None where there is none.

    Raises
    ------
    InputError
        The checkpoint is damaged or of another version.
    """
    path = folder / _ABOUT
    if not path.is_file():
        return None
    value = read_json(path)
    check_format(value, FORMAT, str(path), advice="begin the run again")
    return parse(Position, value, str(path))


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """State of a numpy generator as plain values; its large numbers as text."""
    state = dict(rng.bit_generator.state)
    inner = {name: str(number) for name, number in state["state"].items()}
    return state | {"state": inner}


def set_generator_state(rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Undo `generator_state`."""
    inner = {name: int(number) for name, number in state["state"].items()}
    rng.bit_generator.state = state | {"state": inner}


def save_between(
    checkpoints: Checkpoints,
    number: int,
    finished: Sequence[FinishedStage],
    network: nn.Module,
    randomness: Randomness,
    begun: Mapping[str, Tensor],
) -> None:
    """Write a checkpoint from which stage `number` begins.

    `begun` are the weights from which later stages start over, if there are such.
    """
    position = Position(
        format=FORMAT,
        identity=checkpoints.identity,
        stage=number,
        step=0,
        seconds=0.0,
        parts=1,
        loss=(),
        queues=(),
        numpy=generator_state(randomness.numpy),
        finished=tuple(finished),
        tensors=f"{number}-0.safetensors",
    )
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"random.{k}": v for k, v in randomness.states().items()}
    tensors |= {f"begun.{k}": v for k, v in begun.items()}
    checkpoints.save(State(position, on_cpu(tensors)))


def on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to memory, to be written down."""
    return {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
