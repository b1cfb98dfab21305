"""A trained model: a folder of JSON and safetensors, nothing that can execute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import (
    parse,
    plain,
    read_json,
    replacing,
    write_json,
)
from napari_contrastseg.learning.card import FORMAT, InputSpec, ModelCard
from napari_contrastseg.learning.unet import UNet

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.stage import NetworkSpec

CARD, WEIGHTS = "model.json", "weights.safetensors"
MAX_WEIGHTS_BYTES: Final = 4 * 2**30


@dataclass(frozen=True)
class Model:
    """A card and a network that fits it."""

    card: ModelCard
    network: UNet

    def check_fits(self, volume: Volume) -> None:
        """Refuse a volume whose channels are not those the model was trained on."""
        have, want = len(volume.data), len(self.card.input.channels)
        if have != want:
            raise InputError(
                f"{volume.id}: has {have} channel{'s' * (have != 1)}, but the model "
                f"was trained on {want} ({', '.join(self.card.input.channels)}); "
                "choose images with the same channels."
            )


def build_network(spec: NetworkSpec, inputs: InputSpec, classes: int) -> UNet:
    """Make an untrained network for `classes` foreground classes."""
    channels = len(inputs.channels) * (2 * inputs.neighbours + 1)
    return UNet(channels, classes + 1, spec)


def save_model(folder: Path, model: Model) -> list[Path]:
    """Write a model folder; each file is replaced at once or left as it was."""
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    with replacing(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
    write_json(folder / CARD, plain(model.card))
    return [folder / CARD, folder / WEIGHTS]


def load_model(folder: Path) -> Model:
    """Read a model folder.

    Raises
    ------
    InputError
        The folder holds no model, one of a newer version, or a damaged one.
    """
    if not (folder / CARD).is_file():
        raise InputError(
            f"{folder}: is no model; a model is a folder with {CARD} and {WEIGHTS}."
        )
    value = read_json(folder / CARD)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else None
        raise InputError(
            f"{folder / CARD}: is of format {found!r}, this version reads "
            f"{FORMAT}; update napari-contrastseg."
        )
    card = parse(ModelCard, value, str(folder / CARD))
    network = build_network(card.network, card.input, len(card.classes))
    load_weights(network, folder / WEIGHTS)
    return Model(card, network.eval())


def load_weights(network: UNet, path: Path) -> None:
    """Fill a network from a safetensors file; every tensor must match."""
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise InputError(f"{path}: is larger than any model of this kind.")
        weights = load_file(path)
        network.load_state_dict(weights, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path}: the weights are missing, damaged or of another network; train "
            "again or copy the whole model folder anew."
        ) from error
