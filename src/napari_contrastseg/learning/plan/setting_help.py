"""What the settings of recipes mean, for forms and for the documentation."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Final

#: What settings mean whose docstring says nothing, or one thing of several.
_MEANINGS: Final = {
    "augmentation": "Of labelled slices, and of those beside them.",
    "balanced": "Average anchors within each class, then over classes.",
    "between_steps": "Length of each stage between contrasts; the last has `steps`.",
    "contrast_share": "The first stage's part of a time budget; fine-tuning has 1.",
    "contrast_steps": "Length of each stage with the contrast.",
    "first_steps": "Length of the first stage, on labels alone.",
    "global_strategy": "What the global contrast pairs: GR, GD- or GD.",
    "global_temperature": "τ of the global contrast.",
    "least": "Pixels of its class that a patch needs.",
    "local_strategy": "What the local contrast pairs: LR, LD or none.",
    "local_temperature": "τ of the local contrast.",
    "lr": "Highest learning rate of the last stage, and of others with labels.",
    "network": "The U-Net.",
    "pairs": "label: positives share the class; self: they are one place in two views.",
    "patch": "Side of a patch.",
    "patches": "Patches in a batch.",
    "ramp": "Part of the stage over which the weight rises.",
    "relu_in_local_head": "A non-linearity in the local projection head.",
    "sampling": "stride, block or exact: pixels that enter the local contrast.",
    "temperature": "τ of the contrast.",
    "trained_global_head": "Train the global projection head; else it stays random.",
    "trained_head": "Train the projection head; else it stays random.",
    "unlabelled_batch": "Unlabelled slices that come with a batch.",
    "weight_decay": "Of all stages.",
}
#: The same, by how a name ends.
_ENDINGS: Final = {
    "_augmentation": "In that stage.",
    "_batch": "Slices in a batch of that stage.",
    "_lr": "Highest learning rate of that stage.",
    "_share": "Its part of a time budget; fine-tuning has 1.",
    "_steps": "Length of that stage.",
}


def meanings_of(settings: type[Any]) -> dict[str, str]:
    """Explain every field of a settings dataclass, by its name; some have no words."""
    found: dict[str, str] = {}
    for kind in reversed(settings.mro()):
        found |= _documented(kind)
    return {
        field.name: _MEANINGS.get(field.name)
        or found.get(field.name)
        or _by_ending(field.name)
        for field in fields(settings)
    }


def _documented(kind: type) -> dict[str, str]:
    """Explanations from the section Attributes of a docstring."""
    _, _, section = (kind.__doc__ or "").partition("----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        head = re.match(r" {4}(\w[\w, ]*) : (.*)", line)
        if head:
            names = head[1].split(", ")
            choices = f"One of {head[2][1:-1]}." if head[2].startswith("{") else ""
            found |= dict.fromkeys(names, choices)
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def _by_ending(name: str) -> str:
    return next((text for end, text in _ENDINGS.items() if name.endswith(end)), "")
