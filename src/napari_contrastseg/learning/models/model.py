"""Trained model: loading and saving as a folder of JSON and safetensors."""

from __future__ import annotations

import re
import shutil
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open
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
from napari_contrastseg.io.plural import plural
from napari_contrastseg.learning.models.card import FORMAT, ModelCard
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.device import memory_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_contrastseg.io.slice_axis import SliceAxis
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.models.card import ModelClass
    from napari_contrastseg.learning.networks.spec import NetworkSpec

#: Part of a card's training record: whether a data set named the input's channels.
NAMED_CHANNELS: Final = "named_channels"
CARD, WEIGHTS = "model.json", "weights.safetensors"
MAX_WEIGHTS_BYTES: Final = 4 * 2**30
MAX_HEADER_BYTES: Final = 2**20
_DAMAGED: Final = (
    "the weights are missing, damaged or of another network; train again or copy the "
    "whole model folder again."
)


@dataclass(frozen=True)
class Model:
    """A card and a network that fits it.

    Attributes
    ----------
    others : list of Model
        Of slices along other axes, where there are such; grows while it is trained.
    """

    card: ModelCard
    network: UNet
    others: list[Model] = field(default_factory=list)

    def along(self, axis: int) -> Model | None:
        """Return the model of slices along an axis (`InputSpec.axis`), if any."""
        every = (self, *self.others)
        return next((m for m in every if m.card.input.axis == axis), None)

    def is_compatible(self, spec: NetworkSpec, inputs: InputSpec) -> bool:
        """Whether the weights fit a network like this, its classes aside."""
        return self.network.spec == spec and self.network.channels == inputs.planes

    def check_fits(self, volume: Volume) -> None:
        """Refuse a volume whose channels are not those the model was trained on."""
        have, want = len(volume.data), len(self.card.input.channels)
        if have != want:
            raise InputError(
                f"{volume.id}: has {plural(have, 'channel')}, but the model "
                f"was trained on {want} ({', '.join(self.card.input.channels)}); "
                "choose images with the same channels."
            )

    def in_order(self, volume: Volume) -> Volume:
        """Bring channels under a data set's names into the model's order.

        A model that was not trained on a data set knows no such names: its channels
        are matched by their numbers.
        """
        self.check_fits(volume)
        have, want = volume.channels, self.card.input.channels
        if not self.card.training.get(NAMED_CHANNELS) or have == want:
            return volume
        if sorted(have) != sorted(want):
            raise InputError(
                f"{volume.id}: has the channels {', '.join(have)}, but the model was "
                f"trained on {', '.join(want)}; choose images with the same channels, "
                "or correct their names in dataset.json."
            )
        numbers = range(len(have))  # of two of one name the first stays the first
        places = sorted(numbers, key=want.__getitem__)
        found = dict(zip(places, sorted(numbers, key=have.__getitem__), strict=True))
        data = tuple(volume.data[found[number]] for number in numbers)
        return replace(volume, data=data, channels=want)


def build_network(spec: NetworkSpec, inputs: InputSpec, classes: int) -> UNet:
    """Make an untrained network for `classes` foreground classes."""
    return UNet(inputs.planes, classes + 1, spec)


def copy_weights(start: Model, network: UNet, classes: Sequence[ModelClass]) -> None:
    """Fill a network from a model, its classifiers class by class.

    A class that the model does not know keeps its fresh weights.
    """
    weights = start.network.state_dict()
    known = {entry.id: row for row, entry in enumerate(start.card.classes, start=1)}
    rows = [0, *(known.get(entry.id) for entry in classes)]
    for name, fresh in network.state_dict().items():
        if "classifier." not in name:
            continue
        weights[name] = torch.stack(
            [
                new if row is None else weights[name][row]
                for new, row in zip(fresh, rows, strict=True)
            ]
        )
    network.load_state_dict(weights)


def save_model(folder: Path, model: Model) -> list[Path]:
    """Write a model folder; each file is replaced at once or left as it was."""
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    written = []
    for other in model.others:
        written += save_model(folder / _along(other.card.input.axis), other)
    with replacing(folder / WEIGHTS) as temporary:
        _write_weights(temporary, weights)
    axes = tuple(other.card.input.axis for other in model.others)
    write_json(folder / CARD, to_plain(replace(model.card, others=axes)))
    for axis in {0, 1, 2} - set(axes):  # of a model that was here before
        shutil.rmtree(folder / _along(axis), ignore_errors=True)
    return [folder / CARD, folder / WEIGHTS, *written]


def _write_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write tensors; a full disk is an OSError, as it is of all that writes files."""
    try:
        save_file(weights, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), str(error)) from error


def _along(axis: int) -> str:
    """Name the folder, within a model's, of the model of slices along `axis`."""
    return f"axis-{axis}"


def load_model(folder: Path) -> Model:
    """Read a model folder.

    Raises
    ------
    InputError
        The folder holds no model, one of a newer version, or a damaged one.
    """
    if not (folder / CARD).is_file():
        raise InputError(
            f"{folder}: is not a model; choose a folder with {CARD} and {WEIGHTS}."
        )
    _check_files(folder)
    card, folders = _read_card(folder)
    others = [
        _other(folder / place, axis, card)
        for place, axis in zip(folders, card.others, strict=True)
    ]
    return Model(card, _read_network(folder, card), others)


def _read_card(
    folder: Path, slices: SliceAxis | None = None
) -> tuple[ModelCard, list[str]]:
    """Read a card, and the names of the folders of the models of other axes.

    Parameters
    ----------
    folder : Path
    slices : SliceAxis, optional
        Of the model that this one stands beside.
    """
    where = str(folder / CARD)
    value = read_json(folder / CARD)
    found = check_format(value, FORMAT, where, oldest=1)
    folders = [_along(axis) for axis in value.get("others", ())]
    if found == 1:
        try:
            value = _from_1(value, slices)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{where}: {_DAMAGED}") from error
    return parse(ModelCard, value, where), folders


def _from_1(value: dict[str, Any], slices: SliceAxis | None) -> dict[str, Any]:
    """In format 1 every axis was one of the array, the same for all volumes."""
    own = value["input"]["axis"] if slices is None else slices.number
    numbers = [own, *(axis for axis in range(3) if axis != own)]
    inputs = dict(value["input"]) | {
        "axis": numbers.index(value["input"]["axis"]),
        "slices": {"rule": "array", "number": own},
    }
    others = [numbers.index(axis) for axis in value.get("others", ())]
    return value | {"format": 2, "input": inputs, "others": others}


def _read_network(folder: Path, card: ModelCard) -> UNet:
    _check_weights(card, folder / WEIGHTS)
    network = build_network(card.network, card.input, len(card.classes))
    load_weights(network, folder / WEIGHTS)
    return network.eval()


def _other(folder: Path, axis: int, first: ModelCard) -> Model:
    """Read a model of slices along another axis, which has no others itself."""
    if folder.is_symlink():
        raise InputError(f"{folder}: is a link; models hold none.")
    _check_files(folder)
    card, others = _read_card(folder, first.input.slices)
    if others:
        raise InputError(f"{folder / CARD}: {_DAMAGED}")
    model = Model(card, _read_network(folder, card))
    fits = (
        model.card.input.axis == axis
        and model.card.input.slices == first.input.slices
        and model.card.input.channels == first.input.channels
        and model.card.classes == first.classes
    )
    if not fits:
        raise InputError(f"{folder / CARD}: {_DAMAGED}")
    return model


def _check_files(folder: Path) -> None:
    for name in (CARD, WEIGHTS):
        if (folder / name).is_symlink():
            raise InputError(f"{folder / name}: is a link; models hold none.")
    need_file(folder / CARD)


def _check_weights(card: ModelCard, path: Path) -> None:
    """Hold a file's tensors against the card, before memory is taken for them."""
    need_file(path)
    with torch.device("meta"):
        wanted = build_network(card.network, card.input, len(card.classes))
    shapes = {name: tuple(v.shape) for name, v in wanted.state_dict().items()}
    try:
        found = _declared(path)
    except (OSError, SafetensorError, struct.error, ValueError) as error:
        raise InputError(f"{path}: {_DAMAGED}") from error
    if found != shapes:
        raise InputError(f"{path}: {_DAMAGED}")


def _declared(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a safetensors file's tensors; {} where its header is too long."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    if length > MAX_HEADER_BYTES:
        return {}
    with safe_open(path, framework="numpy") as tensors:
        names = list(tensors.keys())
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in names}


def load_weights(network: UNet, path: Path) -> None:
    """Fill a network from a safetensors file; every tensor must match."""
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise InputError(f"{path}: is larger than any model of this kind.")
        weights = load_file(path)
        network.load_state_dict(weights, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        short = memory_error(error)
        raise short or InputError(f"{path}: {_DAMAGED}") from error
