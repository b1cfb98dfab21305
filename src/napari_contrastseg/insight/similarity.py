"""A slice's features as directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from napari_contrastseg.learning.data.padding import cut, to_multiple

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_contrastseg.learning.data.slice_reader import SliceReader
    from napari_contrastseg.learning.networks.unet import UNet


def unit_map(
    network: UNet, tap: str, reader: SliceReader, index: int, device: torch.device
) -> Tensor:
    """Give the map called `tap` of one slice, each pixel of length 1.

    Returns
    -------
    (d, h, w) float32, on the volume's own pixels
    """
    image = reader.image(index)[None].to(device)
    around, padded = to_multiple(image, network.divisor)
    maps = network.tap(padded, tap).float()
    whole = functional.interpolate(maps, padded.shape[-2:], mode="bilinear")
    native = reader.to_native_grid(cut(whole, around))
    return functional.normalize(native[0], dim=0, eps=1e-6)
