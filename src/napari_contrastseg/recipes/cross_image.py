"""Cross-image pixel contrast: labels, and pixels against a memory of their classes.

Wang, Zhou, Yu, Dai, Konukoglu, Van Gool: Exploring cross-image pixel contrast for
semantic segmentation, ICCV 2021. A row of CSSL's table 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    RecipeSettings,
    fine_tuning,
    make_plan,
    supervised_term,
    temperature_of,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(RecipeSettings):
    """What can be chosen; the defaults are the ``sound`` preset."""

    contrast: Annotated[
        float, Setting("Weight of the contrast beside the labels.", min=0)
    ] = 1.0
    temperature: Annotated[float, temperature_of("contrast")] = 0.1
    memory: Annotated[
        int,
        Setting("Pixels of each class that are remembered.", min=10, max=100_000),
    ] = 1000
    anchors: Annotated[
        int, Setting("Pixels of each class in a batch that are compared.", min=2)
    ] = 50
    stride: Annotated[
        int, Setting("Every so many rows and columns take part.", min=1)
    ] = 4


def plan(settings: Settings) -> Plan:
    """One stage: the labels, and the contrast beside them."""
    from napari_contrastseg.learning.terms.cross_image import CrossImageContrast  # noqa: PLC0415  loads torch

    s = settings
    contrast = partial(
        CrossImageContrast,
        temperature=s.temperature,
        size=s.memory,
        anchors=s.anchors,
        stride=s.stride,
    )
    terms = [supervised_term()]
    if s.contrast:
        terms.append(Term("cross-image contrast", contrast, s.contrast))
    return make_plan(s, fine_tuning(s, terms))


RECIPE = Recipe(
    name="cross_image",
    title="Cross-image pixel contrast",
    paper=(
        "Wang, Zhou, Yu, Dai, Konukoglu, Van Gool: Exploring cross-image pixel "
        "contrast for semantic segmentation, ICCV 2021"
    ),
    summary=(
        "Learns the labels, and lets pixels resemble remembered ones of their class, "
        "from other slices too."
    ),
    presets={
        "sound": Settings(),
        "literal": Settings(**HU2021_TRAINING, memory=10_000),
    },
    plan=plan,
    pretrains=False,
    unlabelled=False,
)
