"""Model card: recipe, settings, classes and input of a trained model. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from napari_contrastseg.learning.data.input_spec import InputSpec, _need
from napari_contrastseg.learning.networks.spec import NetworkSpec  # noqa: TC001  for pydantic

FORMAT: Final = 2
MOST_CLASSES: Final = 254
COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class ModelClass:
    """A class as the model knows it."""

    id: int
    name: str
    colour: str = "#e07b39"

    def __post_init__(self) -> None:
        _need(0 < self.id <= MOST_CLASSES, "class number")
        _need(bool(self.name.strip()), "class name")
        _need(COLOUR.fullmatch(self.colour) is not None, "colour")


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model, and how it was made.

    Attributes
    ----------
    classes : tuple of ModelClass
        In the order of the network's outputs 1, 2, ...; output 0 is background.
    training : dict
        Free record: case lists, stages, seconds.
    others : tuple of int
        Axes (see `InputSpec.axis`) of further models, whose predictions are averaged
        with this one's.
    learned : tuple of int, or None
        Ids of the classes that had a label in training; None in a model made before
        this was recorded. A class without is never predicted: what the network makes
        of it is left from its first, random weights.
    """

    recipe: str
    preset: str
    settings: dict[str, Any]
    classes: tuple[ModelClass, ...]
    input: InputSpec
    network: NetworkSpec
    mirror_at_test: bool
    seed: int
    training: dict[str, Any] = field(default_factory=dict)
    others: tuple[int, ...] = ()
    learned: tuple[int, ...] | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        axes = (self.input.axis, *self.others)
        _need(set(axes) <= {0, 1, 2} and len(set(axes)) == len(axes), "axes")
        ids = [c.id for c in self.classes]
        _need(len(set(ids)) == len(ids), "classes")
        _need(set(self.learned or ()) <= set(ids), "learned classes")

    @property
    def known(self) -> frozenset[int]:
        """Ids of the classes that may be predicted."""
        ids = (c.id for c in self.classes)
        return frozenset(ids if self.learned is None else self.learned)

    @property
    def unlearned(self) -> list[int]:
        """Outputs of the network whose classes had no label in training."""
        classes = enumerate(self.classes, start=1)
        return [output for output, c in classes if c.id not in self.known]
