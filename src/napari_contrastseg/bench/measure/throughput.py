"""Slices a second of the whole training step, against what a MONAI user would write.

Both train the same network on the same slices in the same batches with the same kinds
of change: ours by the stage runner, the peer by CacheDataset, dictionary transforms,
DataLoader, DiceCELoss and AdamW. Each runs in a fresh process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from napari_contrastseg.bench.measure.subprocess_runner import in_a_fresh_process
from napari_contrastseg.bench.measure.throughput_case import (
    CLASSES,
    ThroughputCase,
    made,
)
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_contrastseg.learning.plan.stage import Budget

MODULE: Final = "napari_contrastseg.bench.measure.throughput"
#: Steps that are not counted: libraries load, workers start, caches fill.
WARM_UP = 3


def throughput(
    batch: int, size: int, device: str, seconds: float = 20.0
) -> Iterator[Progress | dict[str, Any]]:
    """Measure; yields progress and the report.

    The peer is run without workers and with one for each core; the faster counts. It
    is run as plainly as it is usually written, and once more tuned.
    """
    import torch

    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    case = ThroughputCase("ours", batch, size, str(pick_device(device)), seconds)
    cores = os.cpu_count() or 1
    cases = {
        "ours": case,
        "monai_no_workers": replace(case, which="monai"),
        "monai_workers": replace(case, which="monai", workers=cores),
        "monai_tuned": replace(case, which="monai", tuned=True),
        "monai_tuned_workers": replace(case, which="monai", workers=cores, tuned=True),
        "ours_again": case,
        "share": replace(case, which="share"),
    }
    found = {}
    for number, (name, one) in enumerate(cases.items()):
        yield Progress(name.replace("_", " "), number / len(cases))
        found[name] = in_a_fresh_process(MODULE, name, json.dumps(asdict(one)))
    ours = [found[name]["slices_per_s"] for name in ("ours", "ours_again")]
    theirs = {
        workers: found[name]["slices_per_s"]
        for workers, name in ((0, "monai_no_workers"), (cores, "monai_workers"))
    }
    best = max(theirs.values())
    tuned = max(
        found[name]["slices_per_s"] for name in ("monai_tuned", "monai_tuned_workers")
    )
    yield {
        "device": case.device,
        "batch": batch,
        "size": size,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "slices_per_s": sum(ours) / len(ours),
        "slices_per_s_runs": ours,
        "monai_slices_per_s": best,
        "monai_by_workers": theirs,
        "ratio": sum(ours) / len(ours) / best,
        "tuned_monai_slices_per_s": tuned,
        "ratio_to_tuned": sum(ours) / len(ours) / tuned,
        "share": found["share"]["share"],
    }


def measure(case: ThroughputCase) -> dict[str, Any]:
    """Run one case here."""
    if case.which == "monai":
        from napari_contrastseg.bench.measure.monai_peer import steps  # noqa: PLC0415

        return {"slices_per_s": _rate(steps(case), case)}
    spent: dict[str, float] = {}
    with ExitStack() as stack:
        if case.which == "share":
            _time_parts(spent, stack, case.device)
        rate = _rate(our_steps(case, spent), case)
    return {"slices_per_s": rate, "share": _shares(spent)}


def _rate(steps: Generator[int, None, None], case: ThroughputCase) -> float:
    """Slices a second; `steps` yields how many steps are done."""
    begun: tuple[float, int] | None = None
    rate = 0.0
    for done in steps:
        now = time.perf_counter()
        if begun is None:
            begun = (now, done) if done >= WARM_UP else None
            continue
        rate = (done - begun[1]) * case.batch / (now - begun[0])
        if now - begun[0] > case.seconds:
            break
    steps.close()
    return rate


def our_steps(
    case: ThroughputCase, spent: dict[str, float], budget: Budget | None = None
) -> Generator[int, None, None]:
    """Train, by default without end; yields how many steps are done."""
    import torch

    from napari_contrastseg.learning.data.cohort import Cohort  # noqa: PLC0415
    from napari_contrastseg.learning.data.slice_axes import (  # noqa: PLC0415
        count_labelled_slices,
        input_spec,
    )
    from napari_contrastseg.learning.models.model import build_network  # noqa: PLC0415
    from napari_contrastseg.learning.plan.stage import Budget  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import prepare  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.rng import Randomness  # noqa: PLC0415
    from napari_contrastseg.learning.training.events import StepDone  # noqa: PLC0415
    from napari_contrastseg.learning.training.runner import run_stages  # noqa: PLC0415
    from napari_contrastseg.recipes import recipe_named  # noqa: PLC0415

    recipe = recipe_named("supervised")
    settings = replace(
        recipe.presets["sound"], batch=case.batch, pixels=None, neighbours=0, ema=None
    )
    plan = recipe.plan(settings)
    device = torch.device(case.device)
    volumes = [made(case.size)]
    inputs = input_spec([v.volume for v in volumes], 0, 0)
    randomness = Randomness(0, device)
    with randomness.scope():
        network = build_network(plan.network, inputs, CLASSES)
    cohort = Cohort(
        volumes,
        range(1, CLASSES + 1),
        inputs,
        divisor=network.divisor,
        largest=case.size,
        labelled_slices=count_labelled_slices(volumes),
        device=device,
    )
    prepare(network, device)
    budget = budget or Budget(steps=10**9)
    events = run_stages(plan.stages, network, cohort, budget, randomness, device)
    for event in events:
        if isinstance(event, StepDone):
            if event.step >= WARM_UP and "since" not in spent:
                spent.clear()
                spent["since"] = time.perf_counter()
            spent["until"] = time.perf_counter()
            yield event.step


def _time_parts(spent: dict[str, float], stack: ExitStack, device: str) -> None:
    """Time the parts of our steps while they run; on a GPU this makes them wait."""
    import torch

    from napari_contrastseg.learning.data.sampler import Views  # noqa: PLC0415
    from napari_contrastseg.learning.terms import supervised  # noqa: PLC0415

    def timed(part: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if device == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            found = run(*args, **kwargs)
            if device == "cuda":
                torch.cuda.synchronize()
            spent[part] = spent.get(part, 0.0) + time.perf_counter() - start
            return found

        return wrapper

    for owner, name, part in (
        (Views, "draw", "data"),
        (Views, "augmented", "augmentation"),
        (supervised, "dice_cross_entropy", "loss"),
    ):
        run = timed(part, getattr(owner, name))
        stack.enter_context(patch.object(owner, name, run))


def _shares(spent: dict[str, float]) -> dict[str, float]:
    """Parts of the time; what is not data, augmentation or loss is the network's."""
    if "data" not in spent:
        return {}
    total = spent["until"] - spent["since"]
    parts = {k: spent[k] / total for k in ("data", "augmentation", "loss")}
    return {"network": 1 - sum(parts.values()), **parts}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(ThroughputCase(**json.loads(sys.argv[1])))))
