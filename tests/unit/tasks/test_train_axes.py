"""Networks along every axis: when, how they predict, are kept and go on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import DeviceMemoryError, InputError
from napari_contrastseg.io.volume import Source
from napari_contrastseg.learning.data import slice_axes
from napari_contrastseg.learning.data.targets import REJECTED, TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.models.model import Model, load_model, save_model
from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.stage import Budget, StageLength
from napari_contrastseg.learning.training.checkpoint import Checkpoints
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks import train as training
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.resolved import LabelSource
from napari_contrastseg.tasks.train import completed, train
from napari_contrastseg.tasks.train_axis import train_axis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.tasks.resolved import AxisRun, ResolvedTraining

CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))
STEPS = 4
IN_A_BODY = Source(file_format="nifti", orientation=((0, 1), (1, 1), (2, 1)))


def request(cube: Sample, **changes: Any) -> TrainRequest:
    """Ask for a small network along every axis, all of the phantom labelled."""
    recipe = recipe_named("supervised")
    settings = replace(
        settings_of(recipe, "sound"),
        every_axis=True,
        network=NetworkSpec(widths=(4, 8)),
    )
    asked = TrainRequest(
        (TrainingVolume(cube.volume, cube.truth.astype(np.int16)),),
        CLASSES,
        "supervised",
        settings=settings,
        budget=Budget(steps=STEPS),
        device="cpu",
    )
    return replace(asked, **changes)


def trained(asked: TrainRequest, stop_after: int | None = None) -> Model:
    """Train, perhaps for some steps alone."""
    model, steps = None, 0
    run = train(resolve_here(asked))
    for event in run:
        if isinstance(event, TrainingBegan):
            model = event.model
        if isinstance(event, Progress):
            steps += 1
            if steps == stop_after:
                run.close()
                break
    assert model is not None
    return model


@pytest.fixture(scope="module")
def whole(cube: Sample) -> tuple[Model, list[Any]]:
    """What most tests ask for, trained to its end, and its events; only read."""
    events = list(train(resolve_here(request(cube))))
    return next(e.model for e in events if isinstance(e, TrainingBegan)), events


def weights(model: Model) -> list[torch.Tensor]:
    """All tensors of a model and its others."""
    every = (model, *model.others)
    return [t for m in every for t in m.network.state_dict().values()]


def test_three_networks_learn_and_are_saved(
    cube: Sample, whole: tuple[Model, list[Any]], tmp_path: Path
) -> None:
    """The prediction is that of all; the folder holds all."""
    model, events = whole
    reports = [e for e in events if isinstance(e, StageReport)]
    assert [r.axis for r in reports] == [0, 1, 2]
    assert [m.card.input.axis for m in model.others] == [1, 2]
    done = [e.fraction for e in events if isinstance(e, Progress)]
    assert done == sorted(done)
    assert done[-1] == 1
    assert len(done) == 3 * STEPS
    save_model(tmp_path / "m", model)
    back = load_model(tmp_path / "m")
    assert all(map(torch.equal, weights(model), weights(back)))
    first = label_of(model, cube.volume)
    assert np.array_equal(first, label_of(back, cube.volume))
    alone = [
        label_of(replace(m, others=[]), cube.volume) for m in (model, *model.others)
    ]
    agreed = (alone[0] == alone[1]) & (alone[1] == alone[2])
    assert np.array_equal(first[agreed], alone[0][agreed])
    flat = replace(cube.volume, affine=cube.volume.affine @ np.diag([3, 1, 1, 1]))
    own = replace(model, others=[])
    assert np.array_equal(label_of(model, flat), label_of(own, flat))


@pytest.fixture(scope="module")
def some_slices(cube: Sample) -> TrainingVolume:
    """Three of four slices of the phantom are labelled."""
    target = cube.truth.astype(np.int16)
    target[::4] = -1
    return TrainingVolume(cube.volume, target)


def test_the_first_network_completes_single_slices(
    cube: Sample, some_slices: TrainingVolume
) -> None:
    """The others learn from volumes; the first one is as it would be without them."""
    asked = request(cube, volumes=(some_slices,))
    events = list(train(resolve_here(asked)))
    model = next(e.model for e in events if isinstance(e, TrainingBegan))
    assert [m.card.input.axis for m in model.others] == [1, 2]
    count = len(cube.truth) * 3 // 4
    evidence = {m.card.training["labelled_slices"] for m in (model, *model.others)}
    assert evidence == {count}, "guesses are no evidence"
    done = [e.fraction for e in events if isinstance(e, Progress)]
    assert done == sorted(done)
    assert done[-1] == 1
    settings = replace(asked.settings, every_axis=False)
    own = trained(replace(asked, settings=settings))
    pairs = zip(weights(own), weights(replace(model, others=[])), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_others_learn_from_what_the_first_makes_of_the_rest(
    cube: Sample, some_slices: TrainingVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Volumes without a person's label, and lengths, are as they were."""
    seen = []

    def spy(run: ResolvedTraining, part: AxisRun, volumes: Any, before: Any) -> Any:
        seen.append((part, volumes))
        return train_axis(run, part, volumes, before)

    monkeypatch.setattr(training, "train_axis", spy)
    other = replace(cube.volume, id="other")
    pseudo = TrainingVolume(
        other, cube.truth.astype(np.int16), np.full(cube.truth.shape, 0.1, np.float32)
    )
    bare = TrainingVolume(replace(cube.volume, id="bare"))
    volumes = (some_slices, pseudo, bare)
    asked = request(cube, volumes=volumes, budget=Budget())
    settings = replace(asked.settings, steps=6)
    trained(replace(asked, settings=settings))
    parts, given = zip(*seen, strict=True)
    assert given[0] == volumes
    for those in given[1:]:
        assert those[1:] == list(volumes[1:])
        filled = those[0]
        assert (filled.target >= 0).all()
        assert ((filled.weight > 0) & (filled.weight < 1)).any()
    assert [p.labels for p in parts[1:]] == [LabelSource.FIRST_NETWORK] * 2
    assert [p.share for p in parts] == pytest.approx([3 / 5, 1 / 5, 1 / 5])


def test_a_share_of_the_recipes_own_length(
    cube: Sample, some_slices: TrainingVolume
) -> None:
    asked = request(cube, volumes=(some_slices,), budget=Budget())
    asked = replace(asked, settings=replace(asked.settings, steps=6))
    done = [e.steps for e in train(resolve_here(asked)) if isinstance(e, StageReport)]
    assert done == [6, 2, 2]
    steps = replace(asked, budget=Budget(steps=3))
    assert [
        e.steps for e in train(resolve_here(steps)) if isinstance(e, StageReport)
    ] == [3, 3, 3]


@pytest.mark.parametrize("error", [MemoryError(), DeviceMemoryError("cuda: full.")])
def test_what_was_learned_outlives_the_other_axes(
    cube: Sample,
    some_slices: TrainingVolume,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """A round of one network is better than none."""

    def fails(_entry: TrainingVolume, _guess: Prediction) -> TrainingVolume:
        raise error

    monkeypatch.setattr(training, "completed", fails)
    events = list(train(resolve_here(request(cube, volumes=(some_slices,)))))
    model = next(e.model for e in events if isinstance(e, TrainingBegan))
    assert not model.others
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert "left out" in note


def test_what_a_person_labelled_stays(some_slices: TrainingVolume) -> None:
    assert some_slices.target is not None
    shape = some_slices.target.shape
    guess = Prediction(np.full(shape, 2, np.uint8), np.full(shape, 0.75, np.float16))
    target = some_slices.target.copy()
    target[0, :5] = REJECTED
    weight = np.full(shape, 0.25, np.float32)
    weight[1] = 1
    weight[2] = 0
    for some in (None, weight):
        found = completed(TrainingVolume(some_slices.volume, target, some), guess)
        assert found.target is not None
        assert found.weight is not None
        kept = weight if some is not None else np.ones_like(weight)
        stays = (target == REJECTED) | ((target >= 0) & (kept > 0))
        assert np.array_equal(found.target[stays], target[stays])
        assert np.array_equal(found.weight[stays], kept[stays])
        assert (found.target[~stays] == 2).all()
        assert np.allclose(found.weight[~stays], 0.5)


@pytest.mark.parametrize(
    "stop_after",
    [
        pytest.param(STEPS, marks=pytest.mark.slow),
        STEPS + 1,
        pytest.param(2 * STEPS + 3, marks=pytest.mark.slow),
    ],
)
def test_a_training_that_completes_goes_on(
    cube: Sample, some_slices: TrainingVolume, tmp_path: Path, stop_after: int
) -> None:
    """The same volumes are completed again."""
    asked = request(cube, volumes=(some_slices,), keep=tmp_path / "kept")
    trained(asked, stop_after)
    resumed = trained(asked)
    whole = trained(request(cube, volumes=(some_slices,)))
    assert len(resumed.others) == 2
    assert all(map(torch.equal, weights(resumed), weights(whole)))


def label_of(model: Model, volume: Volume) -> Any:
    """What a model makes of a volume."""
    events = predict(PredictRequest(model, (volume,), "cpu"))
    return next(e.prediction.labels for e in events if isinstance(e, Predicted))


@pytest.mark.parametrize(
    "stop_after",
    [
        pytest.param(2, marks=pytest.mark.slow),
        STEPS + 2,
        pytest.param(2 * STEPS + 1, marks=pytest.mark.slow),
    ],
)
def test_a_cancelled_training_goes_on(
    cube: Sample, whole: tuple[Model, list[Any]], tmp_path: Path, stop_after: int
) -> None:
    """Networks that are done count; the rest goes on bit for bit."""
    asked = request(cube, keep=tmp_path / "kept")
    stopped = trained(asked, stop_after)
    assert len(stopped.others) == max(0, (stop_after - 1) // STEPS - 1)
    resumed = trained(asked)
    assert len(resumed.others) == 2
    assert all(map(torch.equal, weights(resumed), weights(whole[0])))


def test_the_next_round_goes_on_along_every_axis(
    cube: Sample, whole: tuple[Model, list[Any]]
) -> None:
    """Each network begins from its own weights."""
    start, _ = whole
    still = replace(request(cube).budget, steps=1)
    after = trained(request(cube, start=start, budget=still))
    fresh = trained(request(cube, budget=still))
    for mine, old, new in zip(after.others, start.others, fresh.others, strict=True):
        name = "classifier.weight"
        found = [m.network.state_dict()[name] for m in (mine, old, new)]
        assert (found[0] - found[1]).abs().max() < (found[0] - found[2]).abs().max()


def test_mirrored_neighbours_count_at_test(cube: Sample) -> None:
    """A model of sagittal slices says the same of a volume and its mirror image."""
    patient = replace(cube.volume, source=IN_A_BODY)
    patient = replace(patient, axis=2)
    asked = request(cube, settings=None, budget=Budget(steps=2))
    entry = replace(asked.volumes[0], volume=patient)
    settings = replace(request(cube).settings, every_axis=False)
    model = trained(replace(asked, volumes=(entry,), settings=settings))
    mirrored = replace(patient, data=tuple(c[:, :, ::-1] for c in patient.data))
    there, back = label_of(model, patient), label_of(model, mirrored)
    assert (there == back[:, :, ::-1]).mean() > 0.999


@pytest.mark.parametrize(("minutes", "axes"), [(1.2, 1), (1.3, 3), (None, 3)])
def test_little_time_is_for_one_network(
    cube: Sample, minutes: float | None, axes: int
) -> None:
    """Three networks that have learned little are worse than one."""
    first = next(
        event
        for event in train(resolve_here(request(cube, budget=Budget(minutes=minutes))))
        if isinstance(event, Progress)
    )
    assert first.stage == "fine-tune" + (f" (1 of {axes} axes)" if axes > 1 else "")


@pytest.mark.parametrize(("seconds", "axes"), [(10.0, 3), (250.0, 1)])
def test_further_networks_are_left_where_the_computer_has_become_slow(
    cube: Sample, monkeypatch: pytest.MonkeyPatch, seconds: float, axes: int
) -> None:
    """Their minutes hold less than half of the least steps, at the first one's pace."""
    trained_along: list[int] = []

    def fake(_run: Any, part: AxisRun, *_volumes: Any) -> Iterator[Any]:
        trained_along.append(part.axis)
        model = cast("Any", SimpleNamespace(others=[]))
        yield TrainingBegan(model, "cpu")
        yield StageReport("fine-tune", 250, seconds, (), purpose="fine-tune")

    monkeypatch.setattr(training, "train_axis", fake)
    run = resolve_here(request(cube, budget=Budget(minutes=3)))
    events = list(train(run))
    assert len(run.axes) == 3
    assert len(trained_along) == axes
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [("has become slower" in note) for note in notes] == [True] * (axes == 1)


@pytest.mark.parametrize(("minutes", "axes"), [(1.2, 1), (1.3, 3)])
def test_minutes_of_stages_count_too(cube: Sample, minutes: float, axes: int) -> None:
    budget = Budget(stages=(StageLength("fine-tune", minutes=minutes),))
    first = next(
        e
        for e in train(resolve_here(request(cube, budget=budget)))
        if isinstance(e, Progress)
    )
    assert first.stage == "fine-tune" + (f" (1 of {axes} axes)" if axes > 1 else "")


def test_a_run_of_minutes_goes_on(cube: Sample, tmp_path: Path) -> None:
    """The checkpoint is that of the whole request, whatever its parts are given."""
    asked = request(cube, budget=Budget(minutes=2), keep=tmp_path / "kept")
    trained(asked, stop_after=3)
    found = Checkpoints(tmp_path / "kept", resolve_here(asked).identity).load()
    assert found is not None
    assert found.position.step == 3


def test_axes_that_are_left_out_are_named(
    cube: Sample, whole: tuple[Model, list[Any]], tmp_path: Path
) -> None:
    start, _ = whole
    little = request(cube, start=start, budget=Budget(minutes=0.01))
    few = np.full(cube.truth.shape, -1, np.int16)
    few[:3] = cube.truth[:3]
    few[8] = cube.truth[8]
    sparse = request(cube, start=start, volumes=(TrainingVolume(cube.volume, few),))
    for asked, why in ((little, "More minutes"), (sparse, "10 labelled slices")):
        (note,) = [e.text for e in train(resolve_here(asked)) if isinstance(e, Note)]
        assert note.startswith("Only the network of the slice axis is trained")
        assert why in note
    unasked = replace(sparse, settings=replace(sparse.settings, every_axis=False))
    assert not [e for e in train(resolve_here(unasked)) if isinstance(e, Note)]
    save_model(tmp_path / "m", start)
    save_model(tmp_path / "m", replace(start, others=[]))
    assert not list((tmp_path / "m").glob("axis-*")), "nothing old is shipped along"


def test_large_averages_are_not_made(
    cube: Sample, whole: tuple[Model, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for them is bounded; the network of the slice axis stands alone."""
    model, _ = whole
    own = label_of(replace(model, others=[]), cube.volume)
    monkeypatch.setattr(slice_axes, "MOST_AVERAGED", 1000)
    assert np.array_equal(label_of(model, cube.volume), own)


def test_a_broken_folder_is_refused(
    whole: tuple[Model, list[Any]], tmp_path: Path
) -> None:
    """A model that lacks a part, or whose parts do not belong together."""
    folder = tmp_path / "m"
    save_model(folder, whole[0])
    (folder / "axis-1").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="axis-1"):
        load_model(folder)
    (folder / "axis-2").rename(folder / "axis-1")
    (folder / "elsewhere").rename(folder / "axis-2")
    with pytest.raises(InputError, match="damaged"):
        load_model(folder)
