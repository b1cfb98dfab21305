"""One cell of `bench within`: label a few slices, ask a method, score; one JSON file.

Run as a module it does one cell in a process of its own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.compare.cells import as_name
from napari_contrastseg.bench.compare.datasets import name_of
from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.measure.subprocess_runner import end_with_caller
from napari_contrastseg.bench.within import answers
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.bench.within.protocol import dice_of_open
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import to_plain, write_json
from napari_contrastseg.learning.plan.stage import Budget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.bench.within.one_volume import OneVolume
    from napari_contrastseg.io.dataset import Dataset

MODULE: Final = "napari_contrastseg.bench.within.cells"


@dataclass(frozen=True)
class WithinCell:
    """One answer for one volume.

    Attributes
    ----------
    dataset : str
        Folder in nnU-Net's layout.
    method : str
        As it was typed.
    slices : int
        Slices labelled in full, or scribbled on, beside the empty ones at the ends.
    axis : int
        Slice axis, of the file's array.
    busy : int
        Programs that spin meanwhile.
    minutes, steps : number or None
        None where they mean nothing to the method.
    """

    dataset: str
    case: str
    method: str
    slices: int
    axis: int
    scribbles: bool
    busy: int
    seed: int
    preset: str
    minutes: float | None
    steps: int | None
    device: str

    @property
    def recipe(self) -> str:
        """Whose settings it is run with."""
        return self.method

    @property
    def quick(self) -> bool:
        """Whether it needs no process of its own."""
        return answers.is_quick(self.method)

    @property
    def name(self) -> str:
        """Name of its file, without ending."""
        parts = [self.case, self.method, f"{self.slices}slices", f"axis{self.axis}"]
        if self.scribbles:
            parts.append("scribbles")
        if self.minutes is not None:
            parts.append(f"{self.minutes:g}min")
        if self.steps is not None:
            parts.append(f"{self.steps}steps")
        if self.busy:
            parts.append(f"busy{self.busy}")
        if self.preset != "sound":
            parts.append(self.preset)
        return as_name("-".join([*parts, f"seed{self.seed}"]))

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.case} {self.slices} slices {self.method}"


def asked(cell: WithinCell, dataset: Dataset) -> dict[str, Any]:
    """Give all that decides a cell's result, as its file keeps it."""
    request = asdict(cell) | {
        "dataset": name_of(dataset),
        "classes": {str(k): name for k, name in dataset.classes.items()},
        "settings": to_plain(answers.settings(cell.method, cell.preset)),
    }
    del request["device"]
    return dict(json.loads(json.dumps(request)))


def run(cell: WithinCell) -> dict[str, Any]:
    """Do a cell here; returns what its file holds.

    Raises
    ------
    InputError
        The data or the method cannot be used.
    """
    made_with = provenance()
    dataset = read_dataset(Path(cell.dataset))
    one = read_one(dataset, cell.case, cell.axis)
    labelled = label(one, cell.slices, cell.seed, scribbling=cell.scribbles)
    budget = Budget(cell.steps, cell.minutes)
    found = answers.answer(
        cell.method, one, cell.preset, budget, cell.seed, cell.device
    )

    def score(labels: NDArray[np.uint8]) -> tuple[float | None, dict[str, float]]:
        dice = dice_of_open(labels, one.planes(one.truth), labelled, one.classes)
        mean = round(float(np.mean(list(dice.values()))), 5) if dice else None
        return mean, {name: round(value, 5) for name, value in dice.items()}

    mean, dice = score(found.labels)
    first = mean if found.first is None else score(found.first)[0]
    return {
        "case": cell.case,
        "slices": cell.slices,
        "method": cell.method,
        "dice": mean,
        "dice_per_class": dice,
        "first_s": round(found.first_s, 3),
        "first_dice": first,
        "final_s": round(found.final_s, 3),
        "steps": found.steps,
        "busy": cell.busy,
        "scribbles": cell.scribbles,
        "minutes": cell.minutes,
        "seed": cell.seed,
        "preset": cell.preset,
        "labelled": list(labelled),
        **made_with,
        **found.more,
        "request": asked(cell, dataset),
    }


def label(one: OneVolume, count: int, seed: int, *, scribbling: bool) -> list[int]:
    """Label a volume as the protocol says; returns the slices that are not scored."""
    picks = one.extent.even(count)
    one.label(one.extent.ends)
    if scribbling:
        one.scribble(picks, seed)
    else:
        one.label(picks)
    return sorted({*picks, *one.extent.ends})


def main(words: str, out: str) -> None:
    """Do the cell that `words` describe as JSON, and write its file."""
    try:
        write_json(Path(out), run(WithinCell(**json.loads(words))))
    except InputError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    end_with_caller()
    main(*sys.argv[1:])
