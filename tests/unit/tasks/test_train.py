"""Training: it learns, refuses, is cancelled, and goes on from weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.drive import Cancelled, drive
from napari_contrastseg.tasks.events import Note, Progress, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit.training import request, run, whole_prediction

CPU = torch.device("cpu")


def test_a_supervised_network_learns_the_phantom() -> None:
    model, _ = run(request(budget=Budget(steps=60), neighbours=1, lr=1e-2))
    sample = phantom(0)
    found = whole_prediction(model, sample.volume, CPU)
    mine, theirs = found.labels[1::2] == 2, sample.truth[1::2] == 2
    assert 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()) > 0.8
    assert found.confidence.min() >= 1 / 3 - 1e-2
    assert found.confidence.max() <= 1


def test_training_without_labels_is_refused() -> None:
    sample = phantom(0)
    nothing = np.full(sample.truth.shape, -1, np.int16)
    asked = request(volumes=(TrainingVolume(sample.volume, nothing),))
    with pytest.raises(InputError, match="No slice has labels"):
        run(asked)
    nothing[3] = 1
    asked = request(volumes=(TrainingVolume(sample.volume, nothing),))
    with pytest.raises(InputError, match="Only class 1 is labelled"):
        run(asked)


def test_a_volume_with_a_fill_value_is_named_before_training() -> None:
    asked = request()
    grey = np.asarray(asked.volumes[1].volume.data[0]).astype(np.float32)
    grey[:, :6] = -32768
    filled = replace(asked.volumes[1].volume, id="filled", data=(grey,))
    volumes = (asked.volumes[0], TrainingVolume(filled))
    note = next(train(resolve_here(replace(asked, volumes=volumes))))
    assert isinstance(note, Note)
    assert note.text.startswith("filled: many voxels hold -32768")


def test_cancelling_keeps_the_best_work() -> None:
    model: Any = None
    seen = 0

    def report(event: Any) -> None:
        nonlocal model, seen
        if isinstance(event, TrainingBegan):
            model = event.model
            before.update({k: v.clone() for k, v in model.network.state_dict().items()})
        seen += isinstance(event, Progress)

    before: dict[str, torch.Tensor] = {}
    outcome = drive(
        train(resolve_here(request(budget=Budget(steps=1000)))),
        report,
        lambda: seen >= 5,
    )
    assert isinstance(outcome, Cancelled)
    assert seen == 5
    after = model.network.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in after)
    assert all(torch.isfinite(v).all() for v in after.values())


def test_pretraining_then_fine_tuning_goes_on_from_the_weights() -> None:
    pretrained, _ = run(request("hu2021", purposes=("pretrain",)))
    tuned, _ = run(request("hu2021", purposes=("fine-tune",), start=pretrained))
    assert tuned.card.training["continued"] is True
    with pytest.raises(InputError, match="no pretraining stage"):
        run(request("supervised", purposes=("pretrain",)))
