"""Training request: everything that training needs, frozen. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.drive import always

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.card import ModelClass
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.stage import Purpose


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """All that training needs, frozen.

    Attributes
    ----------
    volumes : sequence of TrainingVolume
        Labelled ones and, for pretraining, unlabelled ones.
    classes : tuple of ModelClass
    slices : SliceAxis
        By which rule the volumes have their slice axes; the model keeps it.
    recipe, preset : str
    settings : object, optional
        A recipe's settings, in place of the preset's.
    purposes : tuple
        Which of the recipe's stages to run. Asked for both, training that continues
        `start` only fine-tunes.
    proposes : bool
        Whether the minutes of `budget` hold the prediction of the volumes as well.
    devices : int
        How many GPUs share every step, or processes where `device` is the CPU.
    start : Model, optional
        Weights to begin from. Classes may have come or gone since; with another
        network or other channels training starts over, and a Note says so. So do
        axes of which it has no network.
    keep : Path, optional
        Folder for checkpoints. A run that finds one of the very same request there
        goes on from it; when all is done the folder is for the caller to delete.
    closed : frozenset of volume id
        Volumes that are learned from, and not predicted: nobody looks at them.
    ours : callable
        Whether `keep` is still ours to write; asked in the training's thread.
    """

    volumes: Sequence[TrainingVolume]
    classes: tuple[ModelClass, ...]
    recipe: str
    preset: str = "sound"
    settings: Any = None
    purposes: tuple[Purpose, ...] = ("pretrain", "fine-tune")
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    devices: int = 1
    seed: int = 0
    start: Model | None = None
    proposes: bool = False
    spare_core: bool = False
    keep: Path | None = None
    ours: Callable[[], bool] = always
    slices: SliceAxis = COARSEST
    closed: frozenset[str] = frozenset()

    @property
    def shown(self) -> Sequence[TrainingVolume]:
        """The volumes that are predicted, and of which features are shown."""
        if not self.closed:
            return self.volumes
        return [v for v in self.volumes if v.volume.id not in self.closed]
