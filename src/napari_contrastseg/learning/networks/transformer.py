"""A frozen vision transformer whose map of the slice joins a U-Net's bottleneck.

After Dosovitskiy et al. 2021 (An image is worth 16 x 16 words), with the names of DINO,
DINOv2 and timm for its parts, so that a file of theirs fills it. It never trains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.spec import Transformer

#: Channels of one attention head in all of these.
HEAD: Final = 64
#: Hidden channels of a block's two layers, of its width.
HIDDEN: Final = 4
EPS: Final = 1e-6


@dataclass(frozen=True)
class Shape:
    """Channels, blocks, side of a patch in pixels, and patches along a side."""

    width: int
    depth: int
    patch: int
    grid: int


#: Those of DINO (patches of 16 and 8) and DINOv2 (14), and timm's smallest.
SHAPES: Final[dict[Transformer, Shape]] = {
    "vit-ti16": Shape(192, 12, 16, 14),
    "vit-s16": Shape(384, 12, 16, 14),
    "vit-s8": Shape(384, 12, 8, 28),
    "vit-b16": Shape(768, 12, 16, 14),
    "vit-b8": Shape(768, 12, 8, 28),
    "vit-s14": Shape(384, 12, 14, 37),
    "vit-b14": Shape(768, 12, 14, 37),
}


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, tokens, width) to the same."""
        n, tokens, width = x.shape
        parts = self.qkv(x).view(n, tokens, 3, width // HEAD, HEAD)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.proj(seen.transpose(1, 2).reshape(n, tokens, width))
        return mixed


class Layers(nn.Module):
    """Two layers of each token by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, HIDDEN * width)
        self.fc2 = nn.Linear(HIDDEN * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, tokens, width) to the same."""
        found: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return found


class Scale(nn.Module):
    """A factor of each channel (DINOv2); 1 where a file has none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, tokens, width) to the same."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and layers, each beside what it was given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=EPS) for _ in range(2))
        self.attn, self.mlp = Attention(width), Layers(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, tokens, width) to the same."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        joined: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return joined


class PatchEmbedding(nn.Module):
    """One token a patch."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, channels, h, w) to (n, width, h / patch, w / patch)."""
        found: Tensor = self.proj(x)
        return found


class VisionTransformer(nn.Module):
    """A plain vision transformer; frozen.

    Parameters
    ----------
    channels : int
    shape : Shape
    """

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + shape.grid**2, shape.width))
        self.patch_embed = PatchEmbedding(channels, shape.width, shape.patch)
        self.blocks = nn.Sequential(*(Block(shape.width) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width, eps=EPS)
        self.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor, rows: int, columns: int) -> Tensor:
        """Map of `rows` x `columns` tokens, (n, width, rows, columns).

        The image is brought to the size at which each token is one place of that map.
        """
        patch = self.shape.patch
        size = (rows * patch, columns * patch)
        if image.shape[-2:] != size:
            image = functional.interpolate(
                image, size, mode="bilinear", align_corners=False
            )
        tokens = self.patch_embed(image) + self._places(rows, columns)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(image), -1, -1)
        x = torch.cat([first, tokens.flatten(2).transpose(1, 2)], dim=1)
        x = self.norm(self.blocks(x))[:, 1:]
        seen: Tensor = x.transpose(1, 2).unflatten(2, (rows, columns))
        return seen

    def _places(self, rows: int, columns: int) -> Tensor:
        """Embeddings of the places of a map, (1, width, rows, columns)."""
        return resized_places(self.pos_embed[:, 1:], rows, columns)


def resized_places(places: Tensor, rows: int, columns: int) -> Tensor:
    """Bring embeddings of a square of places, (1, n * n, width), to another size."""
    side = math.isqrt(places.shape[1])
    square: Tensor = places.transpose(1, 2).unflatten(2, (side, side))
    if (rows, columns) == (side, side):
        return square
    return functional.interpolate(
        square, (rows, columns), mode="bicubic", align_corners=False
    )


class FrozenView(nn.Module):
    """What a frozen transformer sees of a slice, as further input of a map.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels of the map that it is added to.
    kind : str
        A key of `SHAPES`.
    """

    def __init__(self, channels: int, width: int, kind: Transformer) -> None:
        super().__init__()
        self.transformer = VisionTransformer(channels, SHAPES[kind])
        self.join = nn.Conv2d(SHAPES[kind].width, width, 1)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Add to a map, (n, width, rows, columns), what is seen at its places."""
        with torch.no_grad():
            seen = self.transformer(image, *x.shape[-2:])
        joined: Tensor = x + self.join(seen)
        return joined
