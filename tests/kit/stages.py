"""Stages of few steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.learning.data.view import STRONG, View
from napari_contrastseg.learning.plan.stage import Optimiser, Stage

if TYPE_CHECKING:
    from napari_contrastseg.learning.terms.term import Term


def a_stage(name: str = "one", *term: Term, **changes: Any) -> Stage:
    view = changes.pop("view", View("labelled", 2, augmentation=STRONG))
    return Stage(
        name, "fine-tune", view, term, Optimiser(1e-2), **({"steps": 10} | changes)
    )
