"""Pretrained weights for the encoder, read from a file.

Files are torchvision's, timm's, MoCo's or RadImageNet's, or any other state dict of a
ResNet that names its layers as torchvision does; of vision transformers, DINO's,
DINOv2's and timm's.
"""

from __future__ import annotations

import math
from pickle import UnpicklingError  # noqa: TID251  nothing is unpickled here
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.learning.networks.transformer import resized_places
from napari_contrastseg.learning.runtime.device import memory_error

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.networks.transformer import VisionTransformer
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
#: Parts of a transformer: its places, and tokens that ours has not.
_PLACES: Final = "pos_embed"
_REGISTERS: Final = ("reg_token", "register_tokens")
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
    """Fill a ResNet encoder, or a frozen transformer, from a file.

    The first level beside a ResNet stays as it is.

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
            "encoder_weights are those of a ResNet or a vision transformer, and this "
            "network's encoder is plain: give one, such as --set "
            '\'network={"encoder": "resnet18", "widths": [16, 64, 64, 128, 256, '
            '512]}\' or \'network={"encoder": "vit-s16"}\', or leave encoder_weights '
            "empty."
        )
    if network.frozen is not None:
        _fill_transformer(path, network.frozen.transformer, kind)
        return
    theirs = _of_resnet(path, _read(path, kind), kind)
    fresh = network.encoder.state_dict()
    ours = {
        name + key.removeprefix(part): key
        for name, part, _ in _PARTS
        for key in fresh
        if key.startswith(part)
    }
    theirs[_FIRST] = _for_channels(theirs[_FIRST], network.channels)
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


def _fill_transformer(path: Path, network: VisionTransformer, kind: str) -> None:
    """Fill a vision transformer; places of another grid are brought to its own."""
    held = _read(path, kind)
    first = "patch_embed.proj.weight"
    prefixes = [key.removesuffix(first) for key in held if key.endswith(first)]
    if not prefixes:
        raise _other(path, f"{first} is missing", kind)
    theirs = {
        key.removeprefix(prefixes[0]): weight
        for key, weight in held.items()
        if key.startswith(prefixes[0])
    }
    extra = next((key for key in theirs if key.startswith(_REGISTERS)), None)
    if extra is not None:
        raise _other(path, f"it has register tokens ({extra})", kind)
    fresh = network.state_dict()
    if theirs[first].ndim == fresh[first].ndim:
        theirs[first] = _for_channels(theirs[first], fresh[first].shape[1])
    if (places := theirs.get(_PLACES)) is not None:
        theirs[_PLACES] = _on_grid(places, network.shape.grid)
    for name, weight in fresh.items():
        if name not in theirs:
            if name.endswith(".gamma"):  # DINO has no such factors
                continue
            raise _other(path, f"{name} is missing", kind)
        if theirs[name].shape != weight.shape:
            raise _other(path, f"{name} has another shape", kind)
    deeper = f"blocks.{network.shape.depth}."
    if any(key.startswith(deeper) for key in theirs):
        raise _other(path, f"it has more than {network.shape.depth} blocks", kind)
    known = {name: weight for name, weight in theirs.items() if name in fresh}
    network.load_state_dict(fresh | known)


def _for_channels(weight: Tensor, channels: int) -> Tensor:
    """Average a first convolution over channels, where its own are others."""
    if weight.shape[1] == channels:
        return weight
    return (weight.sum(1, keepdim=True) / channels).repeat_interleave(channels, 1)


def _on_grid(places: Tensor, grid: int) -> Tensor:
    """Bring a transformer's places to a grid; without one for the class it gets 0."""
    if places.ndim != 3:  # noqa: PLR2004
        return places
    count = places.shape[1]
    own = count - 1 if math.isqrt(count) ** 2 != count else count
    if math.isqrt(own) ** 2 != own:
        return places
    first = places[:, : count - own]
    if own == count:
        first = torch.zeros_like(places[:, :1])
    square = resized_places(places[:, count - own :].float(), grid, grid)
    return torch.cat([first.float(), square.flatten(2).transpose(1, 2)], dim=1)


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
    for wrapper in ("state_dict", "model", "teacher"):
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
    whose = f"torchvision's {kind}"
    if kind.startswith("vit-"):
        whose = "DINO's, DINOv2's or timm's vision transformer of that size"
    name = kind.replace("resnet", "ResNet-")
    return InputError(
        f"{path}: is not a {name} ({why}); give the weights of {whose}, or of another "
        "that names its layers so."
    )
