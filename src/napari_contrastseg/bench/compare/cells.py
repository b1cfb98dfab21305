"""One cell of `bench methods`: train, predict the test cases, score; one JSON file.

Run as a module it does one cell in a process of its own.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.datasets import (
    labelled_volumes,
    labels_of,
    name_of,
    seed_of,
    split_of,
)
from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.compare.stored_result import settings_asked
from napari_contrastseg.bench.measure.memory import memory, settle
from napari_contrastseg.bench.measure.subprocess_runner import end_with_caller
from napari_contrastseg.evaluation.hu_dice import HuDice
from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import write_json
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget, StageLength
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.begin_from import check_start, read_start
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.splits import read_training

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.learning.plan.stage import Stage
    from napari_contrastseg.tasks.events import StageReport

MODULE: Final = "napari_contrastseg.bench.compare.cells"
#: Most steps a stage of a short budget.
SHORT: Final = 600


@dataclass(frozen=True)
class Cell:
    """One run of the table.

    Attributes
    ----------
    dataset : str
        Folder in nnU-Net's layout.
    recipe : str
        As it was typed: a recipe, one with changed settings, or a peer.
    steps : int or None
        Of every stage, in place of the budget's.
    start : str, optional
        Folder of a model whose weights stand for the pretraining.
    scale : float, optional
        Part of the budget's steps that every stage takes.
    control_of, control : str, optional
        The recipe that this cell is a control of, and what it has in common with it.
    control_steps : int, optional
        Steps of a control.
    """

    dataset: str
    recipe: str
    preset: str
    fraction: float
    fold: int
    seed: int
    budget: Literal["full", "short"]
    device: str
    steps: int | None = None
    inner: bool = False
    start: str | None = None
    scale: float | None = None
    control_of: str | None = None
    control: Literal["steps", "time"] | None = None
    control_steps: int | None = None

    @property
    def name(self) -> str:
        """Name of its file, without ending."""
        parts = [
            self.control_of or self.recipe,
            f"{self.preset}-{self.fraction:g}-fold{self.fold}-seed{self.seed}",
            self.budget,
            f"x{self.scale:g}" if self.scale else "",
            "inner" if self.inner else "",
            f"from-{Path(self.start).name}" if self.start else "",
            f"control-{self.control}" if self.control else "",
        ]
        return as_name("-".join(part for part in parts if part))

    @property
    def title(self) -> str:
        """Name for people."""
        what = self.recipe
        if self.control:
            what = f"{self.control_of}'s control of equal {self.control}"
        return f"{what} {self.fraction:g} fold {self.fold} seed {self.seed}"


def as_name(words: str) -> str:
    """Leave out what a file's name cannot have on every system."""
    return re.sub(r"[^\w.+=-]+", "_", words)


def asked(cell: Cell, dataset: Dataset) -> dict[str, Any]:
    """Give all that decides a cell's result, as its file keeps it."""
    request = asdict(cell) | {
        "dataset": name_of(dataset),
        "cases": len(dataset.cases),
        "classes": {str(k): name for k, name in dataset.classes.items()},
        "settings": settings_asked(cell),
    }
    del request["device"]
    return dict(json.loads(json.dumps(request)))


def run(cell: Cell) -> dict[str, Any]:
    """Do a cell here; returns what its file holds.

    Raises
    ------
    InputError
        The data or the recipe cannot be used.
    """
    import torch

    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    made_with = provenance()
    dataset = read_dataset(Path(cell.dataset))
    split = split_of(dataset, cell.fold, inner=cell.inner)
    labels = labels_of(dataset, cell.fraction)
    more = peers.wants_unlabelled(cell.recipe)
    training = read_training(dataset, split, labels, axis=None, unlabelled=more)
    start = None if cell.start is None else Path(cell.start)
    request = TrainRequest(
        volumes=training.volumes,
        classes=tuple(
            ModelClass(i, name) for i, name in sorted(dataset.classes.items())
        ),
        slices=training.slices,
        recipe=cell.recipe,
        preset=cell.preset,
        budget=budget_of(cell),
        device=cell.device,
        seed=seed_of(dataset, cell.seed, cell.fold),
        start=read_start(start),
    )
    if start is not None:
        check_start(resolve_here(request, begins=False), start)
    # a forest stays on the CPU
    place = "cpu" if cell.recipe in peers.PEERS else cell.device
    device = pick_device(place)
    before, began, busy = settle(device), time.perf_counter(), time.process_time()
    learned, stages = peers.learn_to_the_end(request)
    trained, busy = time.perf_counter(), time.process_time() - busy
    peak = None if cell.recipe in peers.OUTSIDE else (memory(device) - before) / 2**20
    scored = _scores(dataset, learned, split.test)
    return {
        "recipe": cell.recipe,
        "preset": cell.preset,
        "fraction": cell.fraction,
        "fold": cell.fold,
        "seed": cell.seed,
        "budget": cell.budget,
        "scale": cell.scale,
        "control": cell.control,
        "control_of": cell.control_of,
        "control_steps": cell.control_steps,
        "device": str(device),
        **made_with,
        "torch": torch.__version__,
        **scored,
        "seconds": round(trained - began, 2),
        "cpu_seconds": None if cell.recipe in peers.OUTSIDE else round(busy, 2),
        "test_seconds": round(time.perf_counter() - trained, 2),
        "peak_mb": None if peak is None else round(max(0.0, peak), 1),
        "labelled_cases": len(training.labelled_cases),
        "labelled_slices": training.labelled_slices,
        "stages": [{"name": s.name, "steps": s.steps} for s in stages],
        "label_steps": label_steps(cell, stages),
        "request": asked(cell, dataset),
    }


def budget_of(cell: Cell) -> Budget:
    """Turn a cell's budget into lengths of its stages."""
    steps = cell.control_steps or cell.steps
    if steps is not None:
        return Budget(steps)
    part = cell.scale or 1.0
    if cell.recipe in peers.PEERS:
        return Budget() if cell.budget == "full" else Budget(_part(SHORT, part))
    if cell.budget == "full" and cell.scale is None:
        return Budget()
    most = SHORT if cell.budget == "short" else None
    return Budget(
        stages=tuple(
            StageLength(s.name, _part(min(s.steps, most or s.steps), part))
            for s in _stages(cell)
        )
    )


def _part(steps: int, scale: float) -> int:
    return max(1, round(steps * scale))


def _stages(cell: Cell) -> tuple[Stage, ...]:
    recipe = recipe_named(cell.recipe)
    return recipe.plan(settings_of(recipe, cell.preset)).stages


def label_steps(cell: Cell, done: Iterable[StageReport]) -> int | None:
    """Count the steps that saw labels; where several networks learned, one's."""
    if cell.recipe in peers.PEERS:
        return None
    stages = _stages(cell)
    seen = {stage.name for stage in stages if stage.view.slices == "labelled"}
    done = list(done)
    networks = sum(stage.name == stages[-1].name for stage in done)
    steps = sum(stage.steps for stage in done if stage.name in seen)
    return steps // max(networks, 1)


def _scores(
    dataset: Dataset, learned: peers.Learned, names: tuple[str, ...]
) -> dict[str, Any]:
    """Predict and score the test cases that have labels."""
    scores, pooled = Scores(dataset.classes), HuDice(dataset.classes)
    cases: dict[str, float] = {}
    for volume, prediction in learned.predict(labelled_volumes(dataset, names)):
        truth = read_truth(dataset, dataset.case(volume.id), volume)
        spacing, unit = volume.spacing.tolist(), volume.source.unit
        sure = prediction.confidence
        found = scores.add(prediction.labels, truth, spacing, unit, sure)
        pooled.add(prediction.labels, truth, volume.axis)
        if found:
            cases[volume.id] = round(float(np.mean(list(found.values()))), 5)
    summary = scores.summary()
    return {
        "mean_dice": summary["mean_dice"],
        "dice": summary["dice"],
        "pooled_dice": summary["mean_pooled_dice"],
        "pooled_dice_per_class": summary["pooled_dice"],
        "hu_pooled_dice": pooled.mean(),
        "hu_pooled_dice_per_class": pooled.per_class(),
        "hd95_mm": summary["hd95_mm"],
        "assd_mm": summary["assd_mm"],
        "hd_mm": summary["hd_mm"],
        "hd95": summary["hd95"],
        "assd": summary["assd"],
        "hd": summary["hd"],
        "unit": summary["unit"],
        "mean_iou": summary["mean_iou"],
        "iou": summary["iou"],
        "mean_mae": summary["mean_mae"],
        "mae": summary["mae"],
        "aupr": summary["aupr"],
        "test_cases": cases,
    }


def main(words: str, out: str) -> None:
    """Do the cell that `words` describe as JSON, and write its file."""
    cell = Cell(**json.loads(words))
    try:
        write_json(Path(out), run(cell))
    except InputError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    end_with_caller()
    main(*sys.argv[1:])
