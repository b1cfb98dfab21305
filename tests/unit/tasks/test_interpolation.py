"""Predictions of a volume joined with the interpolation between its labelled slices."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.model import Model
from napari_contrastseg.proposers import proposer_named
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.interpolation import (
    MOST_TOGETHER,
    interpolated,
    joins_of,
    labelled_volume,
)
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.round import propose_from
from tests.kit.models import random_model
from tests.kit.training import a_request

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = phantom(0)
TRUTH = SAMPLE.truth.astype(np.int16)
UNKNOWN = np.full_like(TRUTH, -1)
UNSURE = np.full((3, *TRUTH.shape[1:]), 1 / 3, np.float32)


def labelled(*slices: int) -> TrainingVolume:
    target = UNKNOWN.copy()
    target[list(slices)] = TRUTH[list(slices)]
    return TrainingVolume(SAMPLE.volume, target)


def dice(found: NDArray[np.integer], index: int) -> float:
    both = (found == TRUTH[index]) & (TRUTH[index] > 0)
    return float(2 * both.sum() / ((found > 0).sum() + (TRUTH[index] > 0).sum()))


def test_where_a_network_knows_nothing_interpolation_decides() -> None:
    (both,) = joins_of(a_request("recommended", labelled(0, 6, 8, 10, 15))).values()
    assert dice(both.join(7, UNSURE).argmax(axis=0), 7) > 0.9


def test_where_interpolation_is_unsure_a_sure_network_decides() -> None:
    """Half way between slices that differ most, and sure of the very opposite."""
    (both,) = joins_of(a_request("recommended", labelled(0, 8, 15))).values()
    half = both.join(4, UNSURE)
    doubted = half.max(axis=0) < 0.6
    assert doubted.any()
    against = np.full_like(UNSURE, 0.001)
    least = half.argmin(axis=0)
    np.put_along_axis(against, least[None], 0.998, axis=0)
    found = both.join(4, against).argmax(axis=0)
    assert (found[doubted] == least[doubted]).mean() > 0.5


def sure_of(plane: NDArray[np.integer]) -> NDArray[np.float32]:
    found = np.full((3, *plane.shape), 0.01, np.float32)
    np.put_along_axis(found, plane[None].astype(np.intp), 0.98, axis=0)
    return found


def test_a_network_weighs_by_what_it_says_in_the_middle_of_gaps() -> None:
    (both,) = joins_of(a_request("recommended", labelled(2, 5, 8, 11, 14))).values()
    asked = both.asked_first()
    assert asked == [4, 7, 10, 13]
    right = both.beside({z: sure_of(TRUTH[z]) for z in asked})
    nothing = both.beside({z: sure_of(np.zeros_like(TRUTH[z])) for z in asked})
    assert nothing.powers(7)["network"] < 0.1 * right.powers(7)["network"]
    said = np.roll(TRUTH[7], 2, axis=0)
    wrong = [one.join(7, sure_of(said)).argmax(axis=0) for one in (right, nothing)]
    assert dice(wrong[1], 7) > dice(wrong[0], 7)


def test_beyond_the_labelled_slices_a_network_weighs_less_and_less() -> None:
    (both,) = joins_of(a_request("recommended", labelled(8, 9, 10))).values()
    ratios = [both.ratio.at(z) for z in (11, 12, 13, 15)]
    assert all(later < earlier for earlier, later in pairwise(ratios))
    assert ratios[0] > 0.1
    assert ratios[-1] < 0.01
    assert both.ratio.at(7) == ratios[0]


def test_slices_with_little_in_common_cost_interpolation_its_weight() -> None:
    (both,) = joins_of(a_request("recommended", labelled(2, 5, 8, 11, 14))).values()
    doubted = replace(both, trust=replace(both.trust, informs=0.1))
    shares = [one.powers(7) for one in (both, doubted)]
    own, less = (p["guided"] / p["network"] for p in shares)
    assert less == pytest.approx(own / 10)


def test_together_they_are_no_surer_than_they_may_be() -> None:
    (both,) = joins_of(a_request("recommended", labelled(2, 5, 8, 11, 14))).values()
    said = {z: sure_of(TRUTH[z]) for z in both.asked_first()}
    for one in (both, both.beside(said)):
        for index in range(16):
            assert sum(one.powers(index).values()) <= MOST_TOGETHER + 1e-9


def test_slices_that_have_nothing_in_common_are_left_to_the_network() -> None:
    """Contour lines of noise, as membranes are: interpolation is sure, and wrong."""
    rng = np.random.default_rng(0)
    heights = gaussian_filter(rng.standard_normal((16, 64, 64)), (0, 6, 6))
    truth = (np.abs(heights) < 0.3 * heights.std()).astype(np.int16)
    target = np.full_like(truth, -1)
    target[1::3] = truth[1::3]
    volume = replace(SAMPLE.volume, data=(heights.astype(np.float32),))
    entry = TrainingVolume(volume, target)
    assert joins_of(a_request("recommended", entry)) == {}


def test_what_was_worked_out_for_a_request_goes_with_it() -> None:
    asked = a_request("recommended", labelled(4, 8, 12))
    assert interpolated(asked) is interpolated(asked)
    gone = weakref.ref(asked)
    del asked
    gc.collect()
    assert gone() is None


def test_slices_labelled_whole_stay_as_the_network_sees_them() -> None:
    (both,) = joins_of(a_request("recommended", labelled(4, 8, 12))).values()
    assert np.array_equal(both.join(8, UNSURE), UNSURE)


def test_a_round_of_the_recipe_proposes_what_both_say_together() -> None:
    entry = labelled(0, 4, 6, 8, 10, 12, 15)
    found = {}
    for recipe in ("recommended", "supervised"):
        events = propose_from(random_model(), a_request(recipe, entry))
        found[recipe] = next(e for e in events if isinstance(e, Predicted)).prediction
    assert dice(found["recommended"].labels[7], 7) > 0.9
    assert dice(found["supervised"].labels[7], 7) < 0.5, "a baseline stays one"
    both = (found[name].labels[8] for name in found)
    assert np.array_equal(*both), "a slice that is labelled whole"


def test_a_class_that_nobody_labelled_is_not_proposed() -> None:
    """Here the network is sure of it, as after few steps it may be."""
    entry = labelled(0, 4, 6, 8, 10, 12, 15)
    assert entry.target is not None
    target = np.where(entry.target == 2, 0, entry.target)
    model = random_model()
    bias = model.network.classifier.bias
    assert bias is not None
    bias.data[2] += 100.0
    model = Model(replace(model.card, learned=(1,)), model.network)
    asked = a_request("recommended", replace(entry, target=target))
    found = next(e for e in propose_from(model, asked) if isinstance(e, Predicted))
    assert found.joined
    assert set(np.unique(found.prediction.labels)) == {0, 1}


@pytest.mark.parametrize(
    "entry",
    [
        TrainingVolume(SAMPLE.volume),
        labelled(8),
        replace(labelled(7, 9), volume=replace(SAMPLE.volume, kind="stack")),
    ],
    ids=["no labels", "one labelled slice", "unrelated pictures"],
)
def test_nothing_to_interpolate_between(entry: TrainingVolume) -> None:
    assert joins_of(a_request("recommended", entry)) == {}


def test_the_setting_turns_it_off() -> None:
    settings = replace(
        recipe_named("recommended").presets["sound"], interpolation=False
    )
    asked = a_request("recommended", labelled(4, 8, 12), settings=settings)
    assert joins_of(asked) == {}


def test_pseudo_labels_are_no_labels_to_interpolate_between() -> None:
    entry = labelled(4, 8, 12)
    weight = np.ones(TRUTH.shape, np.float32)
    weight[8] = 0.7
    known = labelled_volume(replace(entry, weight=weight), (1, 2))
    assert (known.truth[8] == -1).all()
    assert np.array_equal(known.truth[4], TRUTH[4])


def test_the_slice_axis_comes_first() -> None:
    entry = labelled(4)
    turned = replace(entry, volume=replace(entry.volume, axis=2))
    known = labelled_volume(turned, (1, 2))
    assert known.truth.shape == (TRUTH.shape[2], *TRUTH.shape[:2])
    assert known.spacing == (1.0, 2.0, 1.0)
    assert known.image(5).shape == (1, *TRUTH.shape[:2])


def test_training_does_not_depend_on_what_was_looked_at_before() -> None:
    """Flows that another request found may be of another part of the slices."""
    first = labelled_volume(labelled(0, 8), [1, 2])
    answer = proposer_named("guided").propose(first)
    assert answer is not None
    answer.probabilities(4)
    assert first.flows
    assert not labelled_volume(labelled(0, 4, 8), [1, 2]).flows
