"""Network specification, as recorded in a model. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Group = Literal["encoder", "decoder", "classifier"]
Transformer = Literal[
    "vit-ti16", "vit-s16", "vit-s8", "vit-b16", "vit-b8", "vit-s14", "vit-b14"
]
Norm = Literal["instance-batch", "instance", "batch", "group", "none"]
#: Bounds of a network that is read from a stranger's model.
MOST_LEVELS, MOST_WIDTH = 8, 2048
RESNET50_WIDTHS = (64, 256, 512, 1024, 2048)
#: Widths of a residual encoder's levels below full resolution.
RESNET_WIDTHS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": RESNET50_WIDTHS,
}


@dataclass(frozen=True)
class NetworkSpec:
    """The backbone's shape, as recorded in a model.

    Attributes
    ----------
    widths : tuple of int
        Channels of each encoder level; the last one is the bottleneck.
    norm : {"instance-batch", "instance", "batch", "group", "none"}
    decoder_norm : the same, for the decoder
    dropout : float
        At the bottleneck.
    encoder : {"plain", "resnet18", "resnet34", "resnet50", "vit-s16", ...}
        Of a ``vit-``: the plain levels, and the map of a frozen vision transformer from
        a file is added at the bottleneck. Of a ResNet: beside one level at full
        resolution the levels are MONAI's, and `widths` are (w, 64, 256, 512, 1024,
        2048) of ``resnet50``, (w, 64, 64, 128, 256, 512) of the others.
    attention : bool
        Gates on the skips (Oktay et al. 2018).
    centre : {"as encoder", "plain"}
        The bottleneck's layers: as those of the other levels, or without normalisation
        and with plain ReLU, as in the released code of Hu et al. 2021.
    peer : bool
        A second decoder that enlarges bilinearly (IDEAL); predictions are the mean of
        both.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    norm: Norm = "instance-batch"
    decoder_norm: Norm = "instance-batch"
    dropout: float = 0.0
    encoder: Literal["plain", "resnet18", "resnet34", "resnet50"] | Transformer = (
        "plain"
    )
    attention: bool = False
    peer: bool = False
    centre: Literal["as encoder", "plain"] = "as encoder"

    def __post_init__(self) -> None:
        levels = MOST_LEVELS >= len(self.widths) > 1
        if not levels or not all(0 < n <= MOST_WIDTH for n in self.widths):
            raise ValueError(
                f"a network has 2 to {MOST_LEVELS} levels, up to {MOST_WIDTH} channels"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout lies within 0 and 1")
        wanted = RESNET_WIDTHS.get(self.encoder, self.widths[1:])
        if self.widths[1:] != wanted:
            raise ValueError(f"a {self.encoder}'s later widths are {wanted}")

    @property
    def transformer(self) -> Transformer | None:
        """Which vision transformer is looked through, if any."""
        found = cast("Transformer", self.encoder)
        return found if self.encoder.startswith("vit-") else None

    @property
    def residual(self) -> bool:
        """Whether the encoder is a ResNet."""
        return self.encoder in RESNET_WIDTHS

    @property
    def last_tap(self) -> str:
        """Name of the decoder map at full resolution."""
        return f"dec{len(self.widths) - 1}"
