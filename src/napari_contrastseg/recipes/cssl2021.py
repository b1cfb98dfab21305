"""CSSL: contrast of single-class patches and consistency under feature noise.

Contrastive semi-supervised learning for 2D medical image segmentation, MICCAI 2021. A
network trained on the labels (A) labels the other slices (B); patches of one class each
(C) are contrasted with hard negatives, and predictions are to withstand noise in the
features that grows with the silhouette of the classes (D); then it is trained on the
labels again (E). B to E repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from napari_contrastseg.learning.data.view import Augmentation
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    SemiSupervision,
    fine_tuning,
    labelled,
    make_plan,
    rate,
    stage_lr,
    stage_steps,
    supervised_term,
    temperature_of,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    cycles: Annotated[
        int, Setting("How often pseudo-labels are made and learned.", min=0)
    ] = 2
    first_steps: Annotated[int, stage_steps("first stage, on labels alone")] = 300
    contrast_steps: Annotated[int, stage_steps("contrast in each cycle")] = 100
    between_steps: Annotated[
        int, stage_steps("training on labels between two contrasts")
    ] = 100
    patch: Annotated[int, Setting("Side of a patch.", min=1, unit="pixels")] = 32
    least: Annotated[
        int, Setting("Pixels of its class that a patch needs.", min=0, unit="pixels")
    ] = 25
    patches: Annotated[int, Setting("Patches in a batch.", min=1)] = 48
    confidence: Annotated[
        float, Setting("Highest threshold of a pseudo-label.", min=0, max=1)
    ] = 0.9
    hard: Annotated[
        float,
        Setting("Largest mixing weight of hard negatives; 0: none.", min=0, max=1),
    ] = 0.4
    printed_mix: Annotated[
        bool,
        Setting(
            "Hard negatives as printed: mixes keep their length, and gradients pass "
            "through them."
        ),
    ] = False
    background: Annotated[
        bool,
        Setting(
            "Patches of background are a class too; without, and for one class alone, "
            "a fixed Gaussian stands in for others."
        ),
    ] = True
    contrasts: Annotated[bool, Setting("Contrast patches (L_CL).")] = True
    agrees: Annotated[
        bool, Setting("Let predictions withstand noise in features (L_CR).")
    ] = True
    dice: Annotated[
        bool, Setting("Soft Dice beside the cross-entropy on what is labelled.")
    ] = True
    temperature: Annotated[float, temperature_of("contrast")] = 0.1
    noise: Annotated[
        float,
        Setting(
            "Noise in features, as part of each channel's own size, at a silhouette "
            "of 1.",
            min=0,
        ),
    ] = 0.3
    separation: Annotated[
        Literal["silhouette", "released", "printed"],
        Setting(
            "What the noise grows with: the silhouette of the classes, or omega as the "
            "released code or the paper has it."
        ),
    ] = "silhouette"
    teacher: Annotated[
        Literal["ema", "snapshot"],
        Setting("Averaged weights, or the network as it was when a cycle began."),
    ] = "ema"
    contrast_lr: Annotated[float, stage_lr("contrast")] = 5e-4
    network: NetworkSpec = field(default_factory=lambda: NetworkSpec(attention=True))


def plan(settings: Settings) -> Plan:
    """Train A, then cycles of D and E; pseudo-labels are those of a cycle's start."""
    from napari_contrastseg.learning.terms.patch_contrast import ClassPatches  # noqa: PLC0415  loads torch

    s = settings
    every = s.first_steps + s.cycles * s.contrast_steps
    every += max(s.cycles - 1, 0) * s.between_steps + s.steps
    every = max(every, 1)
    class_patches = partial(
        ClassPatches,
        size=s.patch,
        least=s.least,
        budget=s.patches,
        most=s.confidence,
        hard=s.hard,
        temperature=s.temperature,
        noise=s.noise,
        printed_mix=s.printed_mix,
        background=s.background,
        contrasts=s.contrasts,
        agrees=s.agrees,
        separation=s.separation,
    )
    learns = supervised_term(dice=s.dice)
    stages = [
        fine_tuning(
            s,
            [learns],
            "first labels",
            purpose="pretrain",
            steps=s.first_steps,
            share=s.first_steps / every,
        )
    ]
    for number in range(1, s.cycles + 1):
        stages.append(
            fine_tuning(
                s,
                [Term("class patches", class_patches)],
                f"class patches {number}",
                purpose="pretrain",
                view=labelled(s),
                optimiser=rate(s, s.contrast_lr),
                steps=s.contrast_steps,
                share=s.contrast_steps / every,
                ema=s.ema if s.teacher == "ema" else None,
                unlabelled_view=unlabelled(s),
                teacher=s.teacher,
            )
        )
        if number < s.cycles:
            stages.append(
                fine_tuning(
                    s,
                    [learns],
                    f"labels {number}",
                    purpose="pretrain",
                    steps=s.between_steps,
                    share=s.between_steps / every,
                )
            )
    last = fine_tuning(s, [learns], share=s.steps / every)
    return make_plan(s, *stages, last)


#: The constants of paper and code (docs/recipes/cssl2021.md): hard negatives are the
#: paper's, for they are inert in the released loss; so is a threshold that is high, for
#: the released .01 is one of sigmoids and would never act on a softmax.
LITERAL = Settings(
    **(
        HU2021_TRAINING
        | {
            "batch": 16,
            "lr": 1e-3,
            "network": NetworkSpec(
                (64, 128, 256, 512, 1024), "batch", "batch", attention=True
            ),
            "augmentation": Augmentation(
                mirror=True, turns=True, brightness=0.1, contrast=0.1
            ),
        }
    ),
    cycles=3,
    first_steps=4000,
    contrast_steps=2000,
    between_steps=1000,
    patch=64,
    least=100,
    patches=816,
    confidence=0.9,
    hard=0.4,
    printed_mix=True,
    background=False,
    dice=False,
    noise=1.0,
    separation="printed",
    teacher="snapshot",
    contrast_lr=1e-3,
)

RECIPE = Recipe(
    name="cssl2021",
    title="Class patches + feature noise",
    paper=(
        "Contrastive semi-supervised learning for 2D medical image segmentation, "
        "MICCAI 2021"
    ),
    summary=(
        "Labels the other slices itself, contrasts patches of single classes, and "
        "learns to withstand noise in its features."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    group="paper",
)
