"""Learn in the background: a network meets the images before anything is labelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.events import Progress, TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.recipes.recommended import Settings

#: The default one: a round begins with what its first stage has learned here.
RECIPE: Final = "recommended"
#: Pixels of a batch: each takes some 2 KB while a network learns.
PIXELS: Final = 2**18
#: The network has an output that nobody looks at.
_NO_CLASS: Final = (ModelClass(1, "anything"),)


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of it.

    Attributes
    ----------
    model : Model
        It has seen no label: its features are of use, its classes are not.
    """

    model: Model


def learn_in_background(
    volumes: Sequence[Volume], steps: int | None = None
) -> Generator[Progress | Learned, None, None]:
    """Do the stages of the default recipe that need no labels, in little memory.

    Parameters
    ----------
    volumes : sequence of Volume
    steps : int, optional
        Of each stage; as many as the recipe has by default.

    Yields
    ------
    Progress after every step, and Learned at the end.

    Raises
    ------
    InputError
        An image cannot be used.
    """
    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    request = TrainRequest(
        volumes=[TrainingVolume(volume, None) for volume in volumes],
        classes=_NO_CLASS,
        recipe=RECIPE,
        settings=_settings(volumes),
        purposes=("pretrain",),
        budget=Budget(steps=steps),
        spare_core=True,
    )
    run = resolve(request, on_cpu=pick_device().type == "cpu")
    model: Model | None = None
    for event in train(run):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, Progress):
            yield event
    if model is not None:
        yield Learned(model)


def _settings(volumes: Sequence[Volume]) -> Settings:
    """Give the recipe's settings, with few of large slices, and the largest coarser."""
    from napari_contrastseg.recipes.recommended import Settings  # noqa: PLC0415

    usual = Settings()
    area = np.median([np.prod(np.delete(v.shape, v.axis)) for v in volumes])
    least = 2 * usual.partitions * float(area)  # both views of a slice of each part
    return replace(
        usual,
        global_volumes=min(max(int(PIXELS / least), 1), usual.global_volumes),
        coarser=max(1.0, round((least / PIXELS) ** 0.5, 2)),
    )
