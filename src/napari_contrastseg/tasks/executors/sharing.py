"""Objects between two processes: plain values in bytes, large arrays in files.

A file holds an array's numbers and nothing else; its shape and type come through the
pipe. A model is one object on each side: sent again, its weights are replaced in place.
Where the other side is another computer, paths are sent as text, since another system
may not know their kind, and those below the folder that a job keeps mean its own.
"""

from __future__ import annotations

import io
import pickle  # noqa: TID251  between this process and its own child, see `Pipe`
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import GivenUpError
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE, zeros
from napari_contrastseg.tasks.drive import never
from napari_contrastseg.tasks.executors.file_place import place_in_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model

#: Bytes from which on an array goes through a file.
LARGE: Final = 2**18


class NotSharedError(InputError):
    """Something cannot be given to another process, or the disk is full."""


class Sharing:
    """Turns objects into bytes and back; each side of a pipe has one.

    Parameters
    ----------
    folder : Path
        Where both sides find large arrays.
    side : str
        Begins the names of the files that this side writes.
    keeps : bool
        Whether the other side leaves the files that it is sent, to map them again.
        Arrays that lie in named files already are mapped there. Else it reads and
        deletes the files.
    given_up : callable
        Asked while a large array is written, slice by slice.
    elsewhere : bool
        Whether the other side is another computer.
    kept : Path, optional
        The folder that the job keeps, on this side.
    """

    def __init__(
        self,
        folder: Path,
        side: str,
        *,
        keeps: bool,
        given_up: Callable[[], bool] = never,
        elsewhere: bool = False,
        kept: Path | None = None,
    ) -> None:
        self._folder, self._side, self._keeps = folder, side, keeps
        self._elsewhere, self._kept = elsewhere, kept
        self._given_up = given_up
        self._files = 0
        self._sent: dict[int, tuple[int, Model]] = {}
        self._received: dict[int, Model] = {}

    @property
    def sent_models(self) -> tuple[Model, ...]:
        """Models that the other side knows."""
        return tuple(model for _, model in self._sent.values())

    @property
    def has_received_models(self) -> bool:
        """Whether the other side has sent a model."""
        return bool(self._received)

    def pack(self, value: Any) -> bytes:
        """Give the bytes of a value; its large arrays are written to files.

        Raises
        ------
        NotSharedError
            Something in it exists in this process alone, or the disk is full.
        InputError
            An image in it cannot be read.
        GivenUpError
        """
        buffer = io.BytesIO()
        try:
            _Packer(self, buffer).dump(value)
        except OSError as error:
            raise NotSharedError(
                f"{self._folder}: an array could not be written there ({error}); free "
                f"some space, or set {SCRATCH_VARIABLE} to a folder on a larger disk."
            ) from error
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise NotSharedError(
                f"{type(value).__name__}: cannot be given to another process ({error})."
            ) from error
        return buffer.getvalue()

    def unpack(self, data: bytes) -> Any:
        """Undo `pack` of the other side."""
        return _Unpacker(self, io.BytesIO(data)).load()

    def replace_of(self, value: Any) -> tuple[Any, ...] | None:
        """Say what stands for an object in the bytes; None for the object itself."""
        if isinstance(value, np.ndarray) and value.nbytes >= LARGE:
            return self._array(value)
        if self._elsewhere and isinstance(value, PurePath):
            return self._path(value)
        if type(value).__name__ == "Model":  # most values come before torch is loaded
            from napari_contrastseg.learning.models.model import Model  # noqa: PLC0415

            if isinstance(value, Model):
                return self._model(value)
        return None

    def restore(self, stands: tuple[Any, ...]) -> Any:
        """Undo `replace_of` of the other side."""
        kind, *about = stands
        if kind == "place":
            return about[0].mapped()
        if kind == "path":
            return Path(about[0])
        if kind == "kept":
            return (self._kept or Path()) / about[0]
        return self._mapped(*about) if kind == "array" else self._modelled(*about)

    def _path(self, path: PurePath) -> tuple[Any, ...]:
        if self._kept is not None and path.is_relative_to(self._kept):
            return "kept", path.relative_to(self._kept).as_posix()
        return "path", path.as_posix()

    # -- arrays ----------------------------------------------------------------

    def _array(self, array: NDArray[Any]) -> tuple[Any, ...] | None:
        if array.dtype.hasobject:
            return None
        mapped = self._keeps and not self._elsewhere
        place = place_in_file(array) if mapped else None
        if place is not None:
            return "place", place
        self._files += 1
        name = f"{self._side}-{self._files}"
        order = _order_in_memory(array)
        stored = array.transpose(order)
        with (self._folder / name).open("wb") as file:
            for part in stored if stored.ndim > 1 else (stored,):
                if self._given_up():
                    raise GivenUpError
                np.ascontiguousarray(part).tofile(file)
        return "array", name, array.dtype, array.shape, order, self._keeps

    def _mapped(
        self,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        order: tuple[int, ...],
        keeps: bool,
    ) -> NDArray[Any]:
        path = self._folder / name
        stored = tuple(shape[axis] for axis in order)
        if keeps:  # what is written to it stays in this process
            array = np.memmap(path, dtype, "c", shape=stored).view(np.ndarray)
        else:
            array = zeros(stored, dtype)  # within the bound of memory
            _read_into(array, path)
            path.unlink()
        return array.transpose(np.argsort(order))

    # -- models ----------------------------------------------------------------

    def _model(self, model: Model) -> tuple[Any, ...]:
        number, _ = self._sent.setdefault(id(model), (len(self._sent), model))
        weights = {
            name: tensor.detach().cpu().numpy()
            for name, tensor in model.network.state_dict().items()
        }
        return "model", number, model.card, weights, tuple(model.others)

    def _modelled(
        self, number: int, card: Any, weights: dict[str, Any], others: tuple[Model, ...]
    ) -> Model:
        import torch

        from napari_contrastseg.learning.models.model import (  # noqa: PLC0415
            Model,
            build_network,
        )
        from napari_contrastseg.learning.runtime.device import prepare  # noqa: PLC0415

        if number not in self._received:
            with torch.device("meta"):  # its first weights need no random numbers
                made = build_network(card.network, card.input, len(card.classes))
            prepare(made.eval().to_empty(device="cpu"), torch.device("cpu"))
            self._received[number] = Model(card, made)
        model = self._received[number]
        tensors = {name: torch.from_numpy(np.array(w)) for name, w in weights.items()}
        model.network.load_state_dict(tensors)
        model.others[:] = others
        return model


class _Packer(pickle.Pickler):
    """Writes bytes in which arrays and models are named instead of held."""

    def __init__(self, sharing: Sharing, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._sharing = sharing

    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        """Name what is replaced; see `Sharing.replace_of`."""
        return self._sharing.replace_of(obj)


class _Unpacker(pickle.Unpickler):
    """Reads what a `_Packer` of our own child or parent wrote."""

    def __init__(self, sharing: Sharing, file: io.BytesIO) -> None:
        super().__init__(file)
        self._sharing = sharing

    def persistent_load(self, pid: Any) -> Any:
        """Find what was replaced; see `Sharing.restore`."""
        return self._sharing.restore(pid)


class _Glance(pickle.Unpickler):
    """Reads what our own child wrote, without its arrays and models."""

    def persistent_load(self, _pid: Any) -> None:
        """Leave out what was replaced."""


def glance_at(data: bytes) -> Any:
    """Give a message in which arrays and models are None; their files stay."""
    return _Glance(io.BytesIO(data)).load()


def _read_into(array: NDArray[Any], path: Path) -> None:
    with path.open("rb") as file:
        for part in array if array.ndim > 1 else (array,):
            left = memoryview(part.reshape(-1).view(np.uint8).data)
            while left and (count := file.readinto(left)):
                left = left[count:]


def _order_in_memory(array: NDArray[Any]) -> tuple[int, ...]:
    """Order axes from the farthest apart in memory to the nearest.

    Kept by the other side: what reads an array in its own order does so there, too.
    """
    strides = np.abs(array.strides)
    return tuple(np.argsort(-strides, kind="stable").tolist())
