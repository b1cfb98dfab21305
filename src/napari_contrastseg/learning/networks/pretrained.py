"""Pretrained ResNet weights for the encoder, read from a file.

Files are torchvision's, timm's, MoCo's or RadImageNet's, or any other state dict of a
ResNet that names its layers as torchvision does.
"""

from __future__ import annotations

from pickle import UnpicklingError  # noqa: TID251  nothing is unpickled here
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.learning.runtime.device import memory_error

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.networks.unet import UNet

#: torchvision's names of a ResNet's parts, ours, and their numbers in a sequence.
_PARTS: Final = (
    ("conv1.", "1.0.", "0."),
    ("bn1.", "1.1.", "1."),
    ("layer1.", "2.1.", "4."),
    ("layer2.", "3.", "5."),
    ("layer3.", "4.", "6."),
    ("layer4.", "5.", "7."),
)
_FIRST: Final = "conv1.weight"
#: Not needed.
_COUNT: Final = "num_batches_tracked"
#: What readers raise on files of another kind; torch's runs into text as into code.
_UNREADABLE: Final = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    SafetensorError,
)


def load_encoder(path: Path, network: UNet) -> None:
    """Fill a ResNet encoder from a file; its first level stays as it is.

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
        weights, or no ResNet of that depth.
    """
    kind = network.spec.encoder
    if kind == "plain":
        raise InputError(
            "encoder_weights are those of a ResNet, and this network's encoder is "
            'plain: give one, such as --set \'network={"encoder": "resnet18", '
            '"widths": [16, 64, 64, 128, 256, 512]}\', or leave encoder_weights empty.'
        )
    theirs = _of_resnet(path, _read(path, kind), kind)
    fresh = network.encoder.state_dict()
    ours = {
        name + key.removeprefix(part): key
        for name, part, _ in _PARTS
        for key in fresh
        if key.startswith(part)
    }
    channels = network.channels
    if theirs[_FIRST].shape[1:2] != (channels,):
        alike = theirs[_FIRST].sum(1, keepdim=True) / channels
        theirs[_FIRST] = alike.repeat_interleave(channels, 1)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours:
            raise _other(path, f"it would have no {name}", kind)
        if name not in theirs:
            if name.endswith(_COUNT):
                continue
            raise _other(path, f"{name} is missing", kind)
        if theirs[name].shape != fresh[ours[name]].shape:
            raise _other(path, f"{name} has another shape", kind)
    weights = {ours[name]: weight for name, weight in theirs.items()}
    network.encoder.load_state_dict(fresh | weights)


def _read(path: Path, kind: str) -> dict[str, Tensor]:
    """All tensors of a file, by name; nothing in it is executed."""
    need_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"{path}: holds more than weights, or is not a file of torch; save the "
            "network's state dict alone."
        ) from None
    except LookupError:  # its text is a byte of the file
        raise InputError(
            f"{path}: is not a file of weights; give a .safetensors file, or what "
            "torch.save wrote of a state dict."
        ) from None
    except _UNREADABLE as error:
        line = str(error).partition("\n")[0]
        short = memory_error(error)
        raise short or InputError(f"{path}: cannot be read ({line}).") from None
    for wrapper in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict):
        raise _other(path, "it is not a state dict", kind)
    return {str(k): v for k, v in found.items() if isinstance(v, Tensor)}


def _of_resnet(path: Path, weights: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Weights of a ResNet by torchvision's names, with any prefix removed."""
    why = "layer1.0.conv1.weight is missing"
    for numbered in (False, True):
        names = {part[2 if numbered else 0]: part[0] for part in _PARTS}
        first = ("4." if numbered else "layer1.") + "0.conv1.weight"
        for candidate in weights:
            if candidate != first and not candidate.endswith("." + first):
                continue
            prefix = candidate.removesuffix(first)  # "" or "module.encoder."
            found = {
                name + key.removeprefix(prefix + part): weight
                for part, name in names.items()
                for key, weight in weights.items()
                if key.startswith(prefix + part)
            }
            if found.get(_FIRST, torch.empty(0)).ndim == 4:  # noqa: PLR2004
                return found
            why = f"{_FIRST} is missing, or is not of a convolution"
    raise _other(path, why, kind)


def _other(path: Path, why: str, kind: str) -> InputError:
    name = kind.replace("resnet", "ResNet-")
    return InputError(
        f"{path}: is not a {name} ({why}); give the weights of torchvision's {kind}, "
        "or of another that names its layers so."
    )
