"""MC-Net: two decoders that learn each other's sharpened predictions.

Wu, Xu, Ge, Cai, Zhang: Semi-supervised left atrium segmentation with mutual consistency
training, MICCAI 2021. A row of IDEAL's table 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    AGREEMENT,
    HU2021_TRAINING,
    Agreement,
    fine_tuning,
    make_plan,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Agreement):
    """What can be chosen; the defaults are the ``sound`` preset."""

    consistency: Annotated[float, AGREEMENT] = 1.0
    supervised: Annotated[
        float, Setting("Weight of the labels' loss, of each decoder.", min=0)
    ] = 0.5
    temperature: Annotated[
        float,
        Setting(
            "T of the sharpening p^(1/T): the lower, the harder a label.",
            min=0.01,
            max=1,
        ),
    ] = 0.1
    entropy: Annotated[
        bool, Setting("Cross-entropy beside Dice on what is labelled.")
    ] = True
    network: NetworkSpec = field(default_factory=lambda: NetworkSpec(peer=True))


def plan(settings: Settings) -> Plan:
    """One stage; predictions are the mean of both decoders."""
    from napari_contrastseg.learning.terms.mutual_consistency import MutualConsistency  # noqa: PLC0415  loads torch

    s = settings
    mutual = partial(
        MutualConsistency,
        temperature=s.temperature,
        supervised=s.supervised,
        weight=s.consistency,
        ramp=s.ramp,
        entropy=s.entropy,
    )
    decoders = Term("mutual consistency", mutual)
    stage = fine_tuning(s, [decoders], unlabelled_view=unlabelled(s))
    both = replace(s, network=replace(s.network, peer=True))
    return make_plan(both, stage)


#: Constants of the paper, with the network and training of Hu et al. 2021.
LITERAL = Settings(
    **(HU2021_TRAINING | {"network": replace(HU2021_TRAINING["network"], peer=True)}),
    consistency=0.1,
    ramp=1.0,
    entropy=False,
)

RECIPE = Recipe(
    name="mc_net",
    title="MC-Net",
    paper=(
        "Wu, Xu, Ge, Cai, Zhang: Semi-supervised left atrium segmentation with mutual "
        "consistency training, MICCAI 2021"
    ),
    summary="Two decoders that learn each other's sharpened predictions.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    pretrains=False,
)
