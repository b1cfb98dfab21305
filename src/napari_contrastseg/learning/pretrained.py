"""Weights of a ResNet-50 from elsewhere, for an encoder to begin with.

Files are torchvision's, timm's, MoCo's or RadImageNet's, or any other state dict of a
ResNet-50 that names its layers as torchvision does.
"""

from __future__ import annotations

from pickle import UnpicklingError  # noqa: TID251  nothing is unpickled here
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import need_file

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.unet import UNet

#: Our names of a ResNet's parts, torchvision's, and their numbers in a sequence.
_PARTS: Final = (
    ("1.0.", "conv1.", "0."),
    ("1.1.", "bn1.", "1."),
    ("2.1.", "layer1.", "4."),
    ("3.", "layer2.", "5."),
    ("4.", "layer3.", "6."),
    ("5.", "layer4.", "7."),
)
#: What tells where a ResNet is among other weights.
_FIRST: Final = ("layer1.0.conv1.weight", "4.0.conv1.weight")


def load_encoder(path: Path, network: UNet) -> None:
    """Fill a ResNet-50 encoder from a file; its first level stays as it is.

    A first convolution of other channels than the network's is averaged over them, so
    that a grey image answers as its copies in three colours would.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or what `torch.save` wrote of a state dict.
    network : UNet
        Changed in place.

    Raises
    ------
    InputError
        The network has another encoder, or the file cannot be read, holds more than
        weights, or no ResNet-50.
    """
    if network.spec.encoder != "resnet50":
        raise InputError(
            "encoder_weights are those of a ResNet-50, and this network's encoder is "
            "plain: choose the preset literal, or leave encoder_weights empty."
        )
    theirs = _read(path)
    numbered, prefix = _place(path, theirs)
    fresh = network.encoder.state_dict()
    weights = dict(fresh)
    for ours, name, number in _PARTS:
        for key in (k for k in fresh if k.startswith(ours)):
            other = prefix + (number if numbered else name) + key.removeprefix(ours)
            weight = theirs.get(other)
            if weight is None and key.endswith("num_batches_tracked"):
                continue
            if weight is not None and key == "1.0.weight" and weight.ndim == 4:  # noqa: PLR2004
                channels = fresh[key].shape[1]
                if weight.shape[1] != channels:
                    weight = weight.sum(1, keepdim=True) / channels
                    weight = weight.expand(-1, channels, -1, -1)
            if weight is None or weight.shape != fresh[key].shape:
                state = "is missing" if weight is None else "has another shape"
                raise _other(path, f"{other} {state}")
            weights[key] = weight
    network.encoder.load_state_dict(weights)


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, by name; nothing in it is executed."""
    need_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"{path}: holds more than weights, or is no file of torch; save the "
            "network's state dict alone."
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, SafetensorError) as error:
        line = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read ({line}).") from None
    for wrapper in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict):
        raise _other(path, "it is no state dict")
    return {str(k): v for k, v in found.items() if isinstance(v, Tensor)}


def _place(path: Path, theirs: dict[str, Tensor]) -> tuple[bool, str]:
    """Whether the parts are numbered, and what stands before their names."""
    for numbered, first in enumerate(_FIRST):
        for name in theirs:
            prefix = name.removesuffix(first)
            if prefix != name and (not prefix or prefix.endswith(".")):
                return bool(numbered), prefix
    raise _other(path, f"{_FIRST[0]} is missing")


def _other(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: is no ResNet-50 ({why}); give the weights of torchvision's resnet50, "
        "or of another that names its layers so."
    )
