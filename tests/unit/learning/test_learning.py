"""Slices, network, losses, stage runner, models: without a window."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.padding import cut, to_multiple
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.losses.segmentation import (
    dice_cross_entropy,
    hard_dice,
)
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.learning.models.predict import Prediction, predict_volume
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget, Optimiser, Stage
from napari_contrastseg.learning.runtime.device import pick_device
from napari_contrastseg.recipes import catalogue, recipe_named, settings_of
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished, drive
from napari_contrastseg.tasks.events import Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SMALL = NetworkSpec(widths=(4, 8, 8))
CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))
CPU = torch.device("cpu")


def request(recipe: str = "supervised", **changes: Any) -> TrainRequest:
    labelled, unlabelled = phantom(0), phantom(1)
    target = labelled.truth.astype(np.int16)
    target[::2] = -1
    volumes = (
        TrainingVolume(labelled.volume, target),
        TrainingVolume(unlabelled.volume),
    )
    presets = recipe_named(recipe).presets
    small: dict[str, Any] = {"network": SMALL, "batch": 4}
    if recipe == "hu2021":
        small |= {"global_batch": 4, "local_batch": 2}
    known = {k: v for k, v in changes.items() if k in TrainRequest.__dataclass_fields__}
    small |= {k: v for k, v in changes.items() if k not in known}
    asked = TrainRequest(
        volumes,
        CLASSES,
        0,
        recipe,
        settings=replace(presets["sound"], **small),
        budget=Budget(steps=3),
        device="cpu",
    )
    return replace(asked, **known)


def run(asked: TrainRequest) -> tuple[Any, list[StageReport]]:
    model, stages = None, []
    for event in train(resolve_here(asked)):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, StageReport):
            stages.append(event)
    return model, stages


def whole_prediction(model: Any, volume: Volume, device: torch.device) -> Prediction:
    *_, last = predict_volume(model, volume, device)
    assert isinstance(last, Prediction)
    return last


def test_recipes_are_listed_without_torch() -> None:
    import subprocess

    code = (
        "import sys; from napari_contrastseg.recipes import catalogue; "
        "[r.presets for r in catalogue().values()]; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", sorted(catalogue()))
@pytest.mark.parametrize("preset", ["sound", "literal"])
def test_plans_make_sense(name: str, preset: str) -> None:
    recipe = recipe_named(name)
    plan = recipe.plan(settings_of(recipe, preset))
    assert plan.stages[-1].purpose == "fine-tune"
    assert recipe.pretrains == any(s.purpose == "pretrain" for s in plan.stages)
    assert recipe.summary.endswith(".")


def test_unknown_recipes_and_presets_are_named() -> None:
    with pytest.raises(InputError, match=r"choose one of .*hu2021"):
        recipe_named("magic")
    with pytest.raises(InputError, match="no preset 'x'"):
        settings_of(recipe_named("supervised"), "x")


def test_taps_have_their_names_and_sizes() -> None:
    net = UNet(3, 4, NetworkSpec(widths=(4, 8, 16)))
    x = torch.zeros(2, 3, 16, 24)
    assert net(x).shape == (2, 4, 16, 24)
    assert net.tap(x, "bottleneck").shape == (2, 16, 4, 6)
    assert net.tap(x, "dec1").shape == (2, 8, 8, 12)
    assert net.tap(x, "dec2").shape == (2, 4, 16, 24)
    assert net.divisor == 4


def test_frozen_groups_do_not_train() -> None:
    net = UNet(1, 2, SMALL)
    chosen = net.set_trainable(("decoder",))
    assert {id(p) for p in chosen} == {id(p) for p in net.decoder.parameters()}
    assert not net.encoder.training


def test_unknown_voxels_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    target = torch.randint(0, 3, (2, 8, 8), generator=generator)
    weight = torch.ones(2, 8, 8)
    hidden = target.clone()
    hidden[:, :4] = -1
    spoiled = logits.clone()
    spoiled[:, :, :4] = 100.0
    one = dice_cross_entropy(logits, hidden, weight)
    other = dice_cross_entropy(spoiled, hidden, weight)
    assert one.item() == pytest.approx(other.item(), abs=1e-6)
    assert hard_dice(logits, hidden, weight) == hard_dice(spoiled, hidden, weight)


def test_nothing_known_gives_zero_with_a_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    target = torch.full((1, 4, 4), -1)
    loss = dice_cross_entropy(logits, target, torch.ones(1, 4, 4))
    assert loss.item() == 0
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_a_weight_of_one_half_is_half_a_voxel() -> None:
    logits = torch.randn(1, 3, 2, 2)
    target = torch.tensor([[[1, 1], [2, 2]]])
    half = torch.tensor([[[0.5, 0.5], [1.0, 1.0]]])
    log_p = logits.log_softmax(1)[0]
    by_hand = -(0.5 * log_p[1, 0].sum() + log_p[2, 1].sum()) / 3.0
    whole = dice_cross_entropy(logits, target, half)
    from napari_contrastseg.learning.losses.segmentation import soft_dice

    dice = soft_dice(logits, target, half)
    by_rule = 0.75 * (by_hand + 1 - dice)
    assert whole.item() == pytest.approx(by_rule.item(), abs=1e-5)


@pytest.mark.parametrize("shape", [(13, 9), (16, 16), (3, 2)])
def test_padding_is_taken_away_again(shape: tuple[int, int]) -> None:
    images = torch.rand(2, 1, *shape)
    around, padded = to_multiple(images, 8)
    assert padded.shape[-1] % 8 == padded.shape[-2] % 8 == 0
    assert torch.equal(cut(padded, around), images)


def a_volume(data: np.ndarray) -> Volume:
    return Volume("v", (data,), array_affine(np.ones(3)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((4, 8, 8), 7.0), "same value everywhere"),
        (np.full((4, 8, 8), np.nan), "no finite number"),
        (np.full((4, 8, 8), np.inf), "no finite number"),
    ],
)
def test_images_without_information_are_refused(data: np.ndarray, words: str) -> None:
    volume = a_volume(data)
    with pytest.raises(InputError, match=words):
        SliceReader(volume, input_spec([volume], 0, 0))


def test_holes_in_an_image_are_harmless() -> None:
    data = np.random.default_rng(0).random((4, 8, 8)).astype(">f4")
    data[1, 2, 3], data[2, 2, 2] = np.nan, np.inf
    volume = a_volume(data)
    reader = SliceReader(volume, input_spec([volume], 0, 1))
    for index in range(4):
        assert torch.isfinite(reader.image(index)).all()
        assert reader.image(index).shape == (3, 8, 8)


def test_other_pixel_sizes_are_brought_to_one() -> None:
    rng = np.random.default_rng(0)
    fine = Volume(
        "f", (rng.random((3, 40, 20)),), array_affine(np.array([1, 0.5, 0.5]))
    )
    coarse = Volume("c", (rng.random((3, 20, 10)),), array_affine(np.ones(3)))
    spec = input_spec([coarse, fine, coarse], 0, 0)
    reader = SliceReader(fine, spec)
    assert reader.image(0).shape == (1, 20, 10)
    assert reader.to_native_grid(torch.zeros(1, 2, 20, 10)).shape == (1, 2, 40, 20)


def test_a_network_may_see_coarser_pixels() -> None:
    volume = a_volume(np.random.default_rng(0).random((3, 40, 20)))
    spec = input_spec([volume], 0, 0, coarser=2)
    reader = SliceReader(volume, spec)
    assert reader.image(0).shape == (1, 20, 10)
    assert reader.to_native_grid(torch.zeros(1, 2, 20, 10)).shape == (1, 2, 40, 20)
    for wrong in (0.5, 9):
        with pytest.raises(InputError, match="coarser: "):
            input_spec([volume], 0, 0, wrong)


def test_pixels_of_another_order_are_refused() -> None:
    volume = a_volume(np.random.default_rng(0).random((2, 32, 32), np.float32))
    spec = replace(input_spec([volume], 0, 0), pixel=(0.0005, 0.0005))
    with pytest.raises(InputError, match=r"pixels are 1 x 1 mm.*0\.0005"):
        SliceReader(volume, spec)


def test_different_channels_are_refused() -> None:
    one = a_volume(np.random.default_rng(0).random((3, 8, 8)))
    two = Volume("two", (one.data[0], one.data[0]), one.affine, ("a", "b"))
    with pytest.raises(InputError, match="channels"):
        input_spec([one, two], 0, 0)


def test_batches_keep_image_and_truth_together() -> None:
    truth = np.zeros((4, 50, 30), np.int16)
    truth[:, 10:40, 5:25] = 1
    truth[2] = -1
    volume = a_volume(truth.clip(0).astype(np.float32))
    spec = input_spec([volume], 0, 0)
    cohort = Cohort([TrainingVolume(volume, truth)], [1], spec, divisor=8, largest=32)
    assert cohort.size == (32, 32)
    assert cohort.labelled == [(0, 0), (0, 1), (0, 3)]
    batch = cohort.batch([(0, 0)] * 20, np.random.default_rng(0))
    known = batch.target >= 0
    assert (batch.image[:, 0][known] == batch.target[known]).all()
    assert not known.all(), "padding must be unknown"


@pytest.mark.parametrize("sampling", ["stride", "block", "exact"])
@pytest.mark.parametrize("pairs", ["label", "self"])
def test_every_local_contrast_trains(sampling: str, pairs: str) -> None:
    _, stages = run(request("hu2021", sampling=sampling, pairs=pairs))
    assert [s.name for s in stages] == [
        "global contrast",
        "local contrast",
        "fine-tune",
    ]
    assert all(math.isfinite(x) and x > 0 for x in stages[1].loss)


def test_the_local_contrast_falls() -> None:
    asked = request(
        "hu2021", purposes=("pretrain",), budget=Budget(steps=40), local_lr=3e-3
    )
    _, stages = run(asked)
    losses = stages[1].loss
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


def test_a_supervised_network_learns_the_phantom() -> None:
    model, _ = run(request(budget=Budget(steps=200), neighbours=1, lr=5e-3))
    sample = phantom(0)
    found = whole_prediction(model, sample.volume, CPU)
    mine, theirs = found.labels[1::2] == 2, sample.truth[1::2] == 2
    assert 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()) > 0.8
    assert found.confidence.min() >= 1 / 3 - 1e-2
    assert found.confidence.max() <= 1


def test_models_return_from_disk(tmp_path: Path) -> None:
    model, _ = run(request())
    save_model(tmp_path / "m", model)
    back = load_model(tmp_path / "m")
    assert back.card == model.card
    volume = phantom(2).volume
    one, other = (whole_prediction(m, volume, CPU) for m in (model, back))
    assert np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("what", ["card", "cut", "weights", "format", "swap"])
def test_damaged_models_are_refused(tmp_path: Path, what: str) -> None:
    model, _ = run(request())
    folder = tmp_path / "m"
    save_model(folder, model)
    card, weights = folder / "model.json", folder / "weights.safetensors"
    if what == "card":
        card.unlink()
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    elif what == "weights":
        weights.unlink()
    elif what == "format":
        card.write_text(card.read_text().replace('"format": 1', '"format": 7'))
    else:
        card.write_text(card.read_text().replace("\n   8", "\n   16", 1))
    with pytest.raises(InputError, match="m"):
        load_model(folder)


def test_a_model_for_other_channels_is_refused() -> None:
    model, _ = run(request())
    one = phantom(0).volume
    two = Volume("two", (one.data[0], one.data[0]), one.affine, ("a", "b"))
    with pytest.raises(
        InputError, match="has 2 channels, but the model was trained on 1"
    ):
        model.check_fits(two)


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


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match="No CUDA GPU"):
        pick_device("cuda")


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


def test_every_end_of_a_task_is_an_outcome() -> None:
    closed = []

    def task(error: Exception | None) -> Generator[int, None, None]:
        try:
            yield 1
            if error:
                raise error
        finally:
            closed.append(error)

    def ignore(_event: Any) -> None:
        return

    assert isinstance(drive(task(None), ignore, lambda: False), Finished)
    assert isinstance(drive(task(None), ignore, lambda: True), Cancelled)
    said = drive(task(InputError("say this")), ignore, lambda: False)
    assert isinstance(said, Failed)
    assert said.message == "say this"
    memory = drive(task(RuntimeError("out of memory")), ignore, lambda: False)
    assert isinstance(memory, Failed)
    assert "out of memory" in memory.message
    assert len(closed) == 4


def test_pretraining_then_fine_tuning_goes_on_from_the_weights() -> None:
    pretrained, _ = run(request("hu2021", purposes=("pretrain",)))
    tuned, _ = run(request("hu2021", purposes=("fine-tune",), start=pretrained))
    assert tuned.card.training["continued"] is True
    with pytest.raises(InputError, match="no pretraining stage"):
        run(request("supervised", purposes=("pretrain",)))


def test_a_variant_is_a_recipe_with_other_settings() -> None:
    found = recipe_named("hu2021+steps=7+pairs=self")
    assert found.name == "hu2021+steps=7+pairs=self"
    settings = settings_of(found, "sound")
    assert (settings.steps, settings.pairs) == (7, "self")
    assert recipe_named("hu2021").presets["sound"].steps == 1000
    with pytest.raises(InputError, match="give NAME=VALUE"):
        recipe_named("hu2021+steps")
    with pytest.raises(InputError, match="no setting 'stepz'"):
        recipe_named("hu2021+stepz=3")


def test_pseudo_labels_of_a_round_are_no_evidence() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.full(target.shape, 0.4, np.float32)
    weight[:3] = 1.0
    volume = TrainingVolume(sample.volume, target, weight)
    spec = input_spec([sample.volume], 0, 0)
    cohort = Cohort((volume,), [1, 2], spec, divisor=4, largest=64)
    assert (len(cohort.labelled), cohort.with_truth) == (len(target), 3)
    grown = Stage(
        "s",
        "fine-tune",
        View("labelled", 4),
        (),
        Optimiser(1e-3),
        10,
        steps_per_slice=5,
        most_steps=100,
    )
    assert grown.for_slices(cohort.with_truth).steps == 15
    assert grown.for_slices(1).steps == 10
    assert grown.for_slices(999).steps == 100


@pytest.mark.parametrize(
    ("labelled", "changes", "guessed"),
    [
        (11, {}, False),
        (12, {}, True),
        (12, {"evidence_until": 12}, False),
        (12, {"pseudo": 0.0}, False),
    ],
)
def test_recommended_guesses_where_some_slices_are_labelled(
    labelled: int, changes: dict[str, Any], *, guessed: bool
) -> None:
    """From a dozen on, and not where there are many; then it is as without."""
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[:labelled] = sample.truth[:labelled]
    asked = request("recommended", steps=2)
    settings = replace(asked.settings, every_axis=False, cut_mix=0.0, **changes)
    volumes = (TrainingVolume(sample.volume, target),)
    plain = replace(settings, pseudo=0.0)
    losses = [
        run(replace(asked, volumes=volumes, settings=chosen))[1][-1].loss
        for chosen in (settings, plain)
    ]
    assert (losses[0] != losses[1]) is guessed


def test_completed_labels_are_not_guessed_again() -> None:
    recipe = recipe_named("recommended")
    last = recipe.plan(recipe.presets["sound"]).stages[-1]
    assert last.for_slices(12).unlabelled_view is not None
    assert last.for_slices(12, 0.3, completed=True).unlabelled_view is None
    recipe = recipe_named("mean_teacher")  # learns nothing else there
    last = recipe.plan(recipe.presets["sound"]).stages[-1]
    assert last.for_slices(12, 0.3, completed=True).unlabelled_view is not None
