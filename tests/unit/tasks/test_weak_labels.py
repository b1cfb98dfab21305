"""Labels that nobody painted: between labelled slices, and beside strokes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.tasks import weak_labels
from napari_contrastseg.tasks.events import StageReport, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from napari_contrastseg.tasks.weak_labels import taught
from tests.kit.models import random_model
from tests.kit.training import a_request
from tests.kit.training import request as a_small_request

if TYPE_CHECKING:
    from napari_contrastseg.tasks.resolved import AxisRun

SAMPLE = phantom(0)
TRUTH = SAMPLE.truth.astype(np.int16)
UNKNOWN = np.full_like(TRUTH, -1)
SLICES = [0, 4, 6, 8, 10, 12, 15]


def labelled(*slices: int) -> TrainingVolume:
    target = UNKNOWN.copy()
    target[list(slices)] = TRUTH[list(slices)]
    return TrainingVolume(SAMPLE.volume, target)


@cache
def between_slices() -> tuple[np.ndarray, ...]:
    """What `only` gives of the labelled slices that most tests have."""
    return only(labelled(*SLICES))


def only(entry: TrainingVolume, recipe: str = "recommended") -> tuple[np.ndarray, ...]:
    found = taught(a_request(recipe, entry))
    assert found is not None
    (tuned,), (pretrained,) = found.volumes, found.pretraining
    assert tuned.weight is not None
    assert pretrained.weight is not None
    assert tuned.target is not None
    assert pretrained.target is not None
    assert np.array_equal(tuned.target, pretrained.target)
    return tuned.target, tuned.weight, pretrained.weight


def test_labels_between_labelled_slices_are_right_as_often_as_they_weigh() -> None:
    target, tuned, pretrained = between_slices()
    between = [index for index in range(4, 13) if index not in SLICES]
    right = target[between] == TRUTH[between]
    weight = pretrained[between]
    assert right[weight > 0.8].mean() > 0.98
    assert right[weight < 0.3].mean() < 0.9
    assert 0 < tuned[between].max() < weight.max(), "fine-tuning trusts them less"
    assert weight.max() < 1, "that is what a person labelled"
    for index in SLICES:
        assert np.array_equal(target[index], TRUTH[index])
        assert (tuned[index] == 1).all()


def test_the_more_is_labelled_the_less_interpolation_weighs() -> None:
    few, many = only(labelled(0, 6, 10, 15))[1], between_slices()[1]
    assert many[7].max() < few[7].max()


def test_strokes_are_completed_and_weigh_alike_in_all_stages() -> None:
    entry = labelled(0, 15)
    assert entry.target is not None
    drawn = TRUTH[8].copy()
    drawn[:, ::2], drawn[::3] = -1, -1
    entry.target[8] = drawn
    target, tuned, pretrained = only(entry)
    ink = drawn >= 0
    assert np.array_equal(target[8][ink], drawn[ink])
    assert (tuned[8][ink] == 1).all()
    beside = ~ink & (tuned[8] > 0.5)
    assert (target[8][beside] == TRUTH[8][beside]).mean() > 0.9
    assert np.array_equal(tuned[8], pretrained[8])


def test_what_was_rejected_or_earned_stays() -> None:
    entry = labelled(4, 8, 12)
    assert entry.target is not None
    entry.target[6, :5], entry.target[5, 7] = -2, 1
    weight = np.ones(TRUTH.shape, np.float32)
    weight[5, 7] = 0.25
    target, tuned, pretrained = only(replace(entry, weight=weight))
    assert (target[6, :5] == -2).all()
    assert (pretrained[6, :5] == 0).all()
    assert (target[5, 7] == 1).all()
    assert (tuned[5, 7] == 0.25).all()


@pytest.mark.parametrize(
    ("recipe", "volumes"),
    [
        ("supervised", [labelled(*SLICES)]),
        ("recommended", [labelled(8)]),
        ("recommended", [labelled(*SLICES), *[TrainingVolume(SAMPLE.volume)] * 2]),
    ],
    ids=["a baseline", "one labelled slice", "most volumes without labels"],
)
def test_a_person_labelled_all_that_is_learned(
    recipe: str, volumes: list[TrainingVolume]
) -> None:
    assert taught(a_request(recipe, *volumes)) is None


def test_large_volumes_keep_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak_labels, "MOST_VOXELS", TRUTH.size - 1)
    entry = labelled(*SLICES)
    found = taught(a_request("recommended", entry))
    assert found is not None
    assert found.volumes[0] is entry


def test_pretraining_and_fine_tuning_each_see_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def spy(run: object, part: object, volumes: Any, pretraining: Any) -> object:
        seen.append((volumes, pretraining))
        return iter(())

    entry = labelled(*SLICES)
    asked = replace(a_small_request("recommended"), volumes=(entry,))
    monkeypatch.setattr("napari_contrastseg.tasks.train.train_axis", spy)
    list(train(resolve_here(asked)))
    (volumes, pretraining), *_ = seen
    assert pretraining[0].weight[7].max() > volumes[0].weight[7].max()


def test_the_default_contrasts_classes_before_it_fine_tunes() -> None:
    """Also where nothing but pretraining is asked for; without labels it cannot."""
    entry = labelled(*SLICES)
    asked = replace(
        a_small_request("recommended"), volumes=(entry,), purposes=("pretrain",)
    )
    events = train(resolve_here(asked))
    names = [event.name for event in events if isinstance(event, StageReport)]
    assert names == ["global contrast", "local contrast"]
    bare = replace(asked, volumes=(TrainingVolume(SAMPLE.volume),))
    assert [stage.name for stage in resolve_here(bare).stages] == ["global contrast"]


def test_the_setting_turns_it_off() -> None:
    settings = recipe_named("recommended").presets["sound"]
    asked = a_request("recommended", labelled(*SLICES))
    off = replace(asked, settings=replace(settings, interpolation=False))
    assert taught(off) is None


def test_other_axes_learn_labels_completed_together_with_interpolation(
    cube: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first network has learned nothing, and yet the labels are right."""
    seen: list[TrainingVolume] = []

    def spy(_run: object, part: AxisRun, volumes: Any, _before: object) -> Any:
        model = random_model(part.axis)
        if part.axis:
            seen.extend(volumes)
        yield TrainingBegan(model, "cpu")

    truth = cube.truth.astype(np.int16)
    target = truth.copy()
    target[2::3] = -1
    asked = a_request("recommended", TrainingVolume(cube.volume, target))
    monkeypatch.setattr("napari_contrastseg.tasks.train.train_axis", spy)
    list(train(resolve_here(asked)))
    assert len(seen) == 2
    for entry in seen:
        assert entry.target is not None
        assert entry.weight is not None
        right = entry.target[2::3] == truth[2::3]
        assert right[entry.weight[2::3] > 0.5].mean() > 0.95
