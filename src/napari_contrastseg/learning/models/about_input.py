"""Description of a model's input for other programs. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.intensities import HIGH, LOW
from napari_contrastseg.io.volume import CANONICAL_AXES

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.card import ModelCard

_WORDS: Final = {"S": "superior", "P": "posterior", "L": "left"}


def about_input(card: ModelCard, multiple_of: int) -> dict[str, Any]:
    """Describe a model's input and output; what it was trained on is left out.

    Parameters
    ----------
    card : ModelCard
    multiple_of : int
        Rows and columns of an image are multiples of this.
    """
    spec = card.input
    axes = [_WORDS[letter] for letter in CANONICAL_AXES]
    return {
        "array_axes_grow_towards": axes,
        "slice_axis": spec.axis,
        "channels": list(spec.channels),
        "planes": plane_names(card),
        "pixel_mm": list(spec.pixel),
        "rows_and_columns_are_multiples_of": multiple_of,
        "intensities": f"percentiles {LOW} and {HIGH} of each channel of a volume "
        "become 0 and 1; what lies beyond is clipped",
        "mirrored_along": list(spec.mirror) if card.mirror_at_test else [],
        "output": ["background", *(c.name for c in card.classes)],
        "class_numbers": [0, *(c.id for c in card.classes)],
        "colours": [c.colour for c in card.classes],
        "recipe": card.recipe,
    }


def plane_names(card: ModelCard) -> list[str]:
    """Name an image's planes in order: all channels of one slice, then the next."""
    reach = card.input.neighbours
    return [
        channel if not step else f"{channel}, slice {step:+d}"
        for step in range(-reach, reach + 1)
        for channel in card.input.channels
    ]
