"""Training of one network as a task: a frozen request in, events out."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.json import to_plain
from napari_contrastseg.io.volume import spacing_note
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.models.card import ModelCard
from napari_contrastseg.learning.plan.stage import Budget, stages_of
from napari_contrastseg.tasks.estimate import Estimate
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.resolve import plan_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_contrastseg.learning.plan.stage import Stage
    from napari_contrastseg.tasks.requests import TrainRequest

#: Slices of each image that a request's fingerprint looks at.
LOOKS = 8


def train_along(
    request: TrainRequest,
    identity: str,
    *,
    labelled_slices: int | None = None,
    share: float = 1.0,
) -> Generator[TrainingBegan | Note | Progress | StageReport, None, None]:
    """Train the network of one axis; as `tasks.train.train`.

    Parameters
    ----------
    request : TrainRequest
    identity : str
        Fingerprint that checkpoints carry.
    labelled_slices : int, optional
        How many a person labelled, where the volumes do not tell, their labels having
        been completed: stages are as long as that many deserve.
    share : float
        Part of the recipe's own length of fine-tuning.
    """
    import torch

    from napari_contrastseg.learning.data.cohort import Cohort  # noqa: PLC0415
    from napari_contrastseg.learning.models import model as models  # noqa: PLC0415
    from napari_contrastseg.learning.networks.pretrained import load_encoder  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        describe_device,
        leave_a_core,
        pick_device,
        prepare,
        release,
    )
    from napari_contrastseg.learning.runtime.rng import Randomness  # noqa: PLC0415
    from napari_contrastseg.learning.training.checkpoint import Checkpoints  # noqa: PLC0415
    from napari_contrastseg.learning.training.runner import run_stages  # noqa: PLC0415

    plan, stages, settings = plan_of(request)
    device = pick_device(request.device)
    if request.spare_core:
        leave_a_core()
    inputs = input_spec(
        [v.volume for v in request.volumes],
        request.axis,
        plan.neighbours,
        plan.coarser,
    )
    randomness = Randomness(request.seed, device)
    with randomness.scope():
        network = models.build_network(plan.network, inputs, len(request.classes))
    checkpoints = None
    if request.keep is not None:
        checkpoints = Checkpoints(request.keep, identity, request.ours)
    begun = request.start is not None and models.is_compatible(request.start, network)
    if request.start is not None and begun:
        models.copy_weights(request.start, network, request.classes)
        if "fine-tune" in request.purposes:
            stages = stages_of(plan, ("fine-tune",))
    elif request.start is not None:
        yield Note(
            "The weights so far are of another network or other channels; training "
            "begins anew."
        )
    path = plan.encoder_weights
    if path and not begun and (checkpoints is None or checkpoints.load() is None):
        load_encoder(path, network)
        yield Note(f"The encoder begins with the weights in {path}.")
    cohort = Cohort(
        request.volumes,
        [c.id for c in request.classes],
        inputs,
        divisor=network.divisor,
        largest=request.largest,
        device=device,
        evidence=labelled_slices,
    )
    completed = labelled_slices is not None
    stages = tuple(
        stage.for_slices(cohort.evidence, share, completed=completed)
        for stage in stages
    )
    card = ModelCard(
        recipe=request.recipe,
        preset=request.preset,
        settings=to_plain(settings),
        classes=request.classes,
        input=inputs,
        network=plan.network,
        mirror_at_test=plan.mirror_at_test,
        seed=request.seed,
        training={
            "continued": begun,
            "labelled_slices": cohort.evidence,
        },
    )
    odd = spacing_note([v.volume for v in request.volumes], request.axis)
    if odd is not None:
        yield Note(odd)
    prepare(network, device)
    model = models.Model(card, network)
    yield TrainingBegan(model, str(device), describe_device(device))
    try:
        yield from _with_progress(
            run_stages(
                stages,
                network,
                cohort,
                request.budget,
                randomness,
                device,
                checkpoints,
            ),
            stages,
            request.budget,
        )
    finally:
        cohort.close()
        prepare(network.eval(), torch.device("cpu"))
        release(device)


def identity_of(request: TrainRequest) -> str:
    """Give a fingerprint of all that decides the weights; the device is free."""
    digest = hashlib.blake2b(digest_size=16)
    _, stages, settings = plan_of(request)
    about = [
        request.recipe,
        str(to_plain(settings)),
        [stage.name for stage in stages],
        [c.id for c in request.classes],
        [request.axis, request.seed, request.largest],
        to_plain(request.budget),
    ]
    digest.update(json.dumps(about, default=str).encode())
    if request.start is not None:
        for tensor in request.start.network.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
    for entry in request.volumes:
        volume = entry.volume
        shapes = [(c.shape, str(c.dtype)) for c in volume.data]
        digest.update(f"{volume.id!a} {shapes} {volume.affine.tolist()}".encode())
        for index in np.linspace(0, volume.shape[0] - 1, LOOKS).astype(int):
            digest.update(volume.slice(0, int(index)).tobytes())
        for array in (entry.target, entry.weight):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _with_progress(
    events: Generator[Any, None, None] | Any,
    stages: Sequence[Stage],
    budget: Budget,
) -> Generator[Progress | StageReport | Note, None, None]:
    """Turn the runner's events into progress over all stages, with an estimate."""
    estimate = Estimate(stages, budget)
    try:
        for event in events:
            if hasattr(event, "parts"):
                yield Note(
                    "The device's memory ran short; each batch is worked through in "
                    f"{event.parts} parts from now on."
                )
            elif hasattr(event, "fraction"):
                fraction, eta = estimate.after(event.fraction, time.perf_counter())
                dice = None if np.isnan(event.dice) else event.dice
                yield Progress(event.stage, fraction, eta, event.loss, dice)
            elif hasattr(event, "seconds"):
                estimate.next_stage()
                found = {stage.name: stage.purpose for stage in stages}
                yield StageReport(
                    event.stage,
                    event.steps,
                    event.seconds,
                    event.loss,
                    purpose=found[event.stage],
                )
    finally:
        events.close()
