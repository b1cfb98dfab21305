"""What requests become, as a table: nothing is trained."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.learning.data.slice_axes import Obstacle
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.stage import (
    Budget,
    Optimiser,
    Plan,
    Recipe,
    Stage,
    StageLength,
)
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.tasks import fingerprint as fingerprints
from napari_contrastseg.tasks.describe import describe, forecast
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve
from napari_contrastseg.tasks.resolve_axes import SHARE
from napari_contrastseg.tasks.resolved import LabelSource, ResolvedTraining
from tests.kit.requests import (
    CLASSES,
    FEW,
    SHAPE,
    SMALL,
    SPARSE,
    image,
    labelled,
    model,
    of,
    request,
)

PERSON, FIRST = LabelSource.PERSON, LabelSource.FIRST_NETWORK


def became(run: ResolvedTraining) -> tuple[Any, ...]:
    """Say what is seen of each network."""
    return tuple((part.axis, part.labels) for part in run.axes)


SOME = (labelled(image(), 5),)
LONG = (labelled(image(spacing=(3, 1, 1))),)
FLAT = (labelled(image((8, 24, 28))),)
STACK = (labelled(image(kind="stack")),)
LITTLE = Budget(minutes=0.1)
WHOLE_AXES = ((0, PERSON), (1, PERSON), (2, PERSON))
COMPLETED_AXES = ((0, PERSON), (1, FIRST), (2, FIRST))
ONE = ((0, PERSON),)


@pytest.mark.parametrize(
    ("asked", "axes", "left_out", "sentence"),
    [
        (request("supervised"), ONE, None, "1 network, 1000 steps."),
        (request("supervised", volumes=FEW), ONE, None, "1 network, 1000 steps."),
        (request(), WHOLE_AXES, None, "3 networks, 5400 steps."),
        (
            request(volumes=(labelled(image(axis=1)),)),
            WHOLE_AXES,
            None,
            "3 networks, 5400 steps.",
        ),
        (
            request(volumes=SPARSE),
            COMPLETED_AXES,
            None,
            "3 networks, 3400 steps; the first completes the labels for the others.",
        ),
        (
            request(volumes=SPARSE, budget=Budget(steps=7)),
            COMPLETED_AXES,
            None,
            "3 networks, 63 steps; the first completes the labels for the others.",
        ),
        (
            request(volumes=SPARSE, budget=Budget(minutes=6)),
            COMPLETED_AXES,
            None,
            "3 networks, about 6 minutes; the first completes the labels for the "
            "others.",
        ),
        (
            request(budget=Budget(20, stages=(StageLength("fine-tune", minutes=6),))),
            WHOLE_AXES,
            None,
            "3 networks, 120 steps and about 6 minutes.",
        ),
        (
            request(volumes=FEW),
            ONE,
            Obstacle.FEW_LABELS,
            "1 network, 1800 steps; the other axes are left out because they need 4 "
            "labelled slices (there are 3).",
        ),
        (
            request(volumes=SOME),
            COMPLETED_AXES,
            None,
            "3 networks, 3400 steps; the first completes the labels for the others.",
        ),
        (
            of(request(volumes=SOME), interpolation=False),
            ONE,
            Obstacle.FEW_LABELS,
            "1 network, 1800 steps; the other axes are left out because they need 10 "
            "labelled slices (there are 5).",
        ),
        (
            request(volumes=(*SOME, *[TrainingVolume(image())] * 2)),
            ONE,
            Obstacle.FEW_LABELS,
            "1 network, 1800 steps; the other axes are left out because they need 10 "
            "labelled slices (there are 5).",
        ),
        (
            request(volumes=LONG),
            ONE,
            Obstacle.LONG_VOXELS,
            "1 network, 1800 steps; the other axes are left out because voxels are "
            "long (3 times their shortest side, at most 1.5).",
        ),
        (
            request(volumes=FLAT),
            ONE,
            Obstacle.FEW_VOXELS,
            "1 network, 1800 steps; the other axes are left out because a volume has "
            "fewer than 16 voxels along an axis.",
        ),
        (
            request(volumes=STACK),
            ONE,
            Obstacle.STACK,
            "1 network, 1800 steps; the other axes are left out because images of a "
            "stack are not neighbours.",
        ),
        (
            request(budget=LITTLE),
            ONE,
            Obstacle.TIME,
            "1 network, about 6 seconds; stage 'global contrast' is left out because "
            "its time would hold 8 steps and it needs 75; stage 'local contrast' is "
            "left out because its time would hold 12 steps and it needs 30; the other "
            "axes are left out because they need 0.9 minutes.",
        ),
        (
            request(volumes=LONG, purposes=("pretrain",)),
            ONE,
            None,
            "1 network, 300 steps of pretraining.",
        ),
        (of(request(), every_axis=False), ONE, None, "1 network, 1800 steps."),
        (
            request(volumes=SPARSE, start=model((0, 1, 2)), budget=Budget(minutes=6)),
            COMPLETED_AXES,
            None,
            "3 networks, about 6 minutes, going on from the weights so far; the first "
            "completes the labels for the others.",
        ),
        (
            of(request("supervised"), coarser=2.0),
            ONE,
            None,
            "1 network, 1000 steps. A pixel of the network is 2 times as long as the "
            "image's.",
        ),
    ],
)
def test_what_a_request_becomes(
    asked: TrainRequest, axes: Any, left_out: Obstacle | None, sentence: str
) -> None:
    run = resolve(asked, on_cpu=True)
    assert became(run) == axes
    assert run.left_out == left_out
    assert sum(part.share for part in run.axes) == pytest.approx(1)
    assert describe(run) == sentence


def test_volumes_too_large_for_an_average_have_one_axis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "napari_contrastseg.learning.data.slice_axes.MOST_AVERAGED"
    monkeypatch.setattr(place, 1000)
    run = resolve(request(), on_cpu=True)
    assert (became(run), run.left_out) == (ONE, Obstacle.MEMORY)
    assert "too large to average" in describe(run)


def test_lengths_and_shares_of_networks_that_learn_from_completed_labels() -> None:
    """A third of fine-tuning for each; pretraining as long as ever."""
    run = resolve(request(volumes=SPARSE), on_cpu=True)
    steps = [[stage.steps for stage in part.stages] for part in run.axes]
    assert steps == [[150, 150, 1500], [150, 150, 500], [150, 150, 500]]
    assert [p.share for p in run.axes] == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    assert [p.labelled_slices for p in run.axes] == [12, 12, 12], "guesses count not"
    assert pytest.approx(1 / 3) == SHARE
    first, *others = (part.stages[-1] for part in run.axes)
    assert first.unlabelled_view is not None
    assert all(stage.unlabelled_view is None for stage in others)


def test_labelled_slices_are_counted_along_each_axis_of_whole_volumes() -> None:
    run = resolve(request(), on_cpu=True)
    assert [part.labelled_slices for part in run.axes] == list(SHAPE)


def test_slices_with_pseudo_labels_alone_are_not_counted() -> None:
    entry = labelled(image(), 12)
    weight = np.ones(SHAPE, np.float32)
    weight[3:] = 0.9
    guessed = replace(entry, weight=weight)
    run = resolve(request(volumes=(guessed,)), on_cpu=True)
    assert run.axes[0].labelled_slices == 3
    assert run.left_out == Obstacle.FEW_LABELS


def test_steps_grow_with_labelled_slices() -> None:
    asked = of(request(), steps=10, steps_per_slice=2.0, most_steps=50)
    run = resolve(replace(asked, volumes=SPARSE), on_cpu=True)
    assert run.axes[0].stages[-1].steps == 24
    run = resolve(asked, on_cpu=True)
    assert [part.stages[-1].steps for part in run.axes] == [40, 48, 50]


def test_a_network_that_would_learn_no_labels_is_refused() -> None:
    asked = of(request(budget=Budget()), steps=0, steps_per_slice=0.0)
    with pytest.raises(InputError, match="steps: 0 leaves out the only training"):
        resolve(asked, on_cpu=True)
    assert resolve(replace(asked, budget=Budget(steps=3)), on_cpu=True).axes
    assert resolve(of(request(budget=Budget()), steps=0), on_cpu=True).axes


def test_minutes_are_shared_by_networks_and_steps_are_not() -> None:
    run = resolve(request(budget=Budget(minutes=6)), on_cpu=True)
    assert [p.budget.minutes for p in run.axes] == pytest.approx([2, 2, 2])
    run = resolve(request(budget=Budget(steps=9)), on_cpu=True)
    assert [p.budget.steps for p in run.axes] == [9, 9, 9]


def test_a_gpu_has_time_for_three_networks_where_a_cpu_has_for_one() -> None:
    """The least is 250 steps of a batch for each, at the pace of the computer."""
    asked = request(budget=Budget(minutes=0.12))
    run = resolve(asked, on_cpu=True)
    pixels = (16 + 8 * 4 / 3) * 24 * 28  # slices with labels, without and a teacher
    assert run.minutes_for_all == pytest.approx(3 * 250 * pixels / 15e6)
    on_gpu = resolve(asked, on_cpu=False)
    assert on_gpu.minutes_for_all == pytest.approx(3 * 250 * pixels / 120e6)
    assert (len(run.axes), len(on_gpu.axes)) == (1, 3)
    assert run.identity == on_gpu.identity, "a run goes on with another device"


def test_the_pixel_size_is_chosen_once_for_all_networks() -> None:
    """Large boxes on large slices bear coarser pixels; a thin line does not."""
    volume = image((20, 200, 200))
    target = np.full(volume.shape, -1, np.int16)
    target[3] = 0
    target[3, 40:160, 40:160] = 1
    asked = request(volumes=(TrainingVolume(volume, target),))
    run = resolve(asked, on_cpu=True)
    assert (run.settings.coarser, run.plan.coarser) == (2, 2)
    assert run.axes[0].inputs.pixel == (2.0, 2.0)
    assert asked.settings.coarser == 0, "the request stays"
    assert describe(run).endswith("is 2 times as long as the image's.")
    thin = target.copy()
    thin[3] = np.eye(200, dtype=np.int16)
    fine = resolve(replace(asked, volumes=(TrainingVolume(volume, thin),)), on_cpu=True)
    assert fine.plan.coarser == 1
    went_on = resolve(replace(asked, start=model(coarser=1.5)), on_cpu=True)
    assert went_on.plan.coarser == 1.5, "a network keeps its pixels"
    given = resolve(of(asked, coarser=3.0), on_cpu=True)
    assert given.plan.coarser == given.settings.coarser == 3


def test_where_time_leaves_one_axis_its_slices_alone_decide_on_pixels() -> None:
    """Along the other axes there are 20 voxels, too few for coarser ones."""
    volume = image((20, 200, 200))
    target = np.full(volume.shape, -1, np.int16)
    target[2:18:3] = 0
    target[2:18:3, 40:160, 40:160] = 1
    asked = request(volumes=(TrainingVolume(volume, target),))
    assert resolve(asked, on_cpu=True).plan.coarser == 1
    run = resolve(replace(asked, budget=Budget(minutes=2)), on_cpu=True)
    assert run.left_out == Obstacle.TIME
    assert (run.settings.coarser, run.plan.coarser) == (2, 2)


def test_weights_go_on_where_they_fit() -> None:
    """Of each axis its own; without pretraining."""
    before = model((0, 1))
    run = resolve(request(start=before), on_cpu=True)
    assert [p.start for p in run.axes] == [before, before.others[0], None]
    names = [[stage.name for stage in p.stages] for p in run.axes]
    pretrained = ["global contrast", "local contrast", "fine-tune"]
    assert names == [["fine-tune"]] * 2 + [pretrained]
    assert not run.notes
    assert not any(part.notes for part in run.axes)
    asked = request(start=before, slices=SliceAxis("file", 2))
    other = resolve(asked, on_cpu=True)
    starts = [part.start for part in other.axes]
    assert starts == [before, None, None], "the slice axis has changed"


def test_what_was_learned_without_labels_stands_for_the_stages_that_need_none() -> None:
    before, card = model(), model().card
    before = replace(before, card=replace(card, training={"labelled_slices": 0}))
    run = resolve(request(volumes=LONG, start=before), on_cpu=True)
    (part,) = run.axes
    assert part.start is before
    assert [stage.name for stage in part.stages] == ["local contrast", "fine-tune"]
    assert "'global contrast' is left out" in part.notes[0]
    fresh = resolve(request(volumes=LONG), on_cpu=True).axes[0].stages[1:]
    for mine, wanted in zip(part.stages, fresh, strict=True):
        assert (mine.steps, mine.optimiser) == (wanted.steps, wanted.optimiser)

    # weights that have seen labels, or did another recipe's stages, are fine-tuned
    for training, recipe in (({"labelled_slices": 3}, "recommended"), ({}, "simclr")):
        known = replace(card, training=training, recipe=recipe)
        other: Any = replace(model(), card=known)
        (part,) = resolve(request(volumes=LONG, start=other), on_cpu=True).axes
        assert [stage.name for stage in part.stages] == ["fine-tune"]
        assert not part.notes


def test_a_later_round_learns_more_slowly_unless_a_class_is_new() -> None:
    """At the full rate a second round was worse than the first."""
    first = resolve(request(), on_cpu=True).axes[0].stages[-1].optimiser.lr
    later = resolve(request(start=model()), on_cpu=True).axes[0].stages[-1]
    assert later.optimiser.lr == pytest.approx(0.3 * first)
    more = (*CLASSES, replace(CLASSES[0], id=9, name="new"))
    fresh = resolve(request(start=model(), classes=more), on_cpu=True)
    assert fresh.axes[0].stages[-1].optimiser.lr == first


def knowing(*learned: int) -> Any:
    """Make a model of two classes that had labels of some."""
    before = model()
    return replace(before, card=replace(before.card, learned=learned))


def test_classes_are_known_once_they_are_labelled() -> None:
    core, shell = (entry.id for entry in CLASSES)
    assert SPARSE[0].target is not None
    inner = np.where(SPARSE[0].target == shell, -1, SPARSE[0].target)
    only_core = (replace(SPARSE[0], target=inner),)
    run = resolve(request(volumes=only_core), on_cpu=True)
    assert all(part.learned == (core,) for part in run.axes)
    (note,) = run.notes
    assert "Class 'shell' has no label yet, so it is not predicted" in note
    run = resolve(request(volumes=only_core, start=knowing(core, shell)), on_cpu=True)
    assert run.axes[0].learned == (core, shell), "labels of an earlier round"
    assert not run.notes
    run = resolve(request(volumes=only_core, start=model()), on_cpu=True)
    assert run.axes[0].learned == (core, shell), "nobody knows what it had labels of"
    run = resolve(request(volumes=only_core, purposes=("pretrain",)), on_cpu=True)
    assert run.axes[0].learned == ()
    assert not run.notes


def test_a_network_learns_its_first_labels_of_a_class_at_the_full_rate() -> None:
    """A class that it has an output for, but never saw: after pretraining, say."""
    rates = [
        resolve(request(start=before), on_cpu=True).axes[0].stages[-1].optimiser.lr
        for before in (knowing(1, 2), knowing(1), knowing())
    ]
    assert rates[0] < rates[1] == rates[2]


@pytest.mark.parametrize(
    "changes", [{"network": NetworkSpec(widths=(4, 8, 8))}, {"neighbours": 1}]
)
def test_weights_of_another_network_are_left_and_a_note_says_so(
    changes: dict[str, Any],
) -> None:
    run = resolve(of(request("supervised", start=model()), **changes), on_cpu=True)
    (part,) = run.axes
    assert part.start is None
    (note,) = part.notes
    assert "training starts over" in note


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"budget": LITTLE}, "More minutes bring them back."),
        ({"volumes": FEW}, "They come back with 4 labelled slices."),
        ({"volumes": LONG}, "Volumes with long voxels"),
    ],
)
def test_networks_that_are_left_out_are_named(
    changes: dict[str, Any], remedy: str
) -> None:
    (note,) = resolve(request(start=model((0, 1, 2)), **changes), on_cpu=True).notes
    assert note.startswith("Only the network of the slice axis is trained this time")
    assert remedy in note
    assert not resolve(request(start=model(), **changes), on_cpu=True).notes


def test_a_volume_of_odd_spacing_is_named() -> None:
    odd = replace(image(spacing=(1, 1.3, 1.3)), id="odd")
    volumes = (*SPARSE, labelled(replace(image(), id="w")), TrainingVolume(odd))
    (part,) = resolve(request("supervised", volumes=volumes), on_cpu=True).axes
    (note,) = part.notes
    assert note.startswith("odd: has pixels of 1.3 x 1.3 mm")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request(volumes=(TrainingVolume(image()),)), "No slice has labels yet"),
        (
            request(volumes=(TrainingVolume(image(), np.zeros(SHAPE, np.int16)),)),
            "Only background is labelled",
        ),
        (request("supervised", purposes=("pretrain",)), "stage; fine-tune alone"),
        (replace(request(), recipe="none"), "no recipe 'none'"),
        (request(settings=None, preset="none"), "no preset 'none'"),
        (request(budget=Budget(stages=(StageLength("x", 3),))), "no stage 'x'"),
        (of(request(), coarser=99.0), "coarser: 99 must be 0 or lie within 1 and 32"),
        (
            request(
                volumes=(
                    labelled(image()),
                    replace(
                        labelled(image()),
                        volume=replace(
                            image(), data=image().data * 2, channels=("a", "b")
                        ),
                    ),
                )
            ),
            "has 2 channels",
        ),
    ],
)
def test_a_request_that_cannot_be_done_is_refused(
    asked: TrainRequest, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        resolve(asked, on_cpu=True)


def test_pretraining_needs_no_labels() -> None:
    bare = request(volumes=(TrainingVolume(image()),), purposes=("pretrain",))
    (part,) = resolve(bare, on_cpu=True).axes
    assert [stage.name for stage in part.stages] == ["global contrast"]


# -- fingerprints --------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """Settings that stay as they are, whatever recipes get."""

    steps: Annotated[int, Setting("Steps.", min=1)] = 10
    coarser: Annotated[float, Setting("How much coarser.", min=0)] = 0.0


def _plan(settings: Settings) -> Plan:
    view, rate = View("labelled", 4), Optimiser(1e-3)
    first = Stage("first", "pretrain", view, (), rate, 5)
    last = Stage("fine-tune", "fine-tune", view, (), rate, settings.steps)
    return Plan((first, last), SMALL, coarser=settings.coarser, every_axis=True)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> TrainRequest:
    presets = {"sound": Settings(), "literal": Settings(20)}
    monkeypatch.setitem(
        catalogue(), "made-up", Recipe("made-up", "", "", presets, _plan)
    )
    return TrainRequest((labelled(image()),), CLASSES, "made-up")


WEIGHT = np.full(SHAPE, 0.25, np.float32)
WEIGHT[::2] = 1
ALONG_2 = {"volumes": (labelled(image(axis=2)),)}


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "46cb3417e767a292e0ab0b4378574bc1"),
        ({"preset": "literal"}, "23b5eb97dad654d24889a94edeb37523"),
        ({"settings": Settings(3, 2.0)}, "c80fcb6f2d1a9ab3fc829c691233cbcb"),
        ({**ALONG_2, "seed": 7}, "e6396d9a2fe1ae63811acaadf1c228a4"),
        ({"budget": Budget(minutes=0.1)}, "79a7f3706527e49fe114053d7bd270f9"),
        (
            {"budget": Budget(5, stages=(StageLength("first", 2),))},
            "d580ac9471d0e93059cc3047ee485a00",
        ),
        (
            {"purposes": ("fine-tune",), "classes": CLASSES[:1]},
            "fd421419e8f11e348019d6c3a0709ea8",
        ),
        (
            {"volumes": (*SPARSE, TrainingVolume(image((17, 20, 24))))},
            "6f7b7e5e4c0eb23aa14757707d1ffcf5",
        ),
        (
            {"volumes": (replace(SPARSE[0], weight=WEIGHT),)},
            "9bde495b0432e67b8c6284b70f7b7449",
        ),
        ({"start": model((0, 1))}, "50cee35ea2c36169e321232a27fa3b42"),
        ({"device": "cpu", "spare_core": True}, "46cb3417e767a292e0ab0b4378574bc1"),
    ],
)
def test_runs_that_were_stored_before_go_on(
    made_up: TrainRequest, changes: dict[str, Any], digest: str
) -> None:
    """Fingerprints recorded from the code before requests were resolved (86d39f1)."""
    run = resolve(replace(made_up, **changes), on_cpu=True)
    assert run.identity == digest


def test_slices_are_hashed_some_rows_at_a_time(
    made_up: TrainRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture as doubles would take many times the memory of its file."""
    two = replace(image(), data=(image().data[0], image().data[0] + 1))
    asked = replace(made_up, volumes=(labelled(two),))
    at_once = resolve(asked, on_cpu=True).identity
    monkeypatch.setattr(fingerprints, "LARGE", 50)
    read: list[int] = []
    usual = Volume.part

    def part(self: Volume, channel: int, key: Any = ..., dtype: Any = None) -> Any:
        found = usual(self, channel, key, dtype)
        read.append(found.size)
        return found

    monkeypatch.setattr(Volume, "part", part)
    assert resolve(asked, on_cpu=True).identity == at_once
    assert max(read) <= 50


def test_a_look_at_what_will_be_done_hashes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run is looked at often; its fingerprint is made once, when it is needed."""
    made = iter(["the first", "the second"])
    place = "napari_contrastseg.tasks.resolved.fingerprint"
    monkeypatch.setattr(place, lambda *_: next(made))
    assert describe(resolve(request(), on_cpu=True))
    run = resolve(request(), on_cpu=True)
    assert (run.identity, run.identity) == ("the first", "the first")


def test_a_forecast_is_what_will_be_done_or_why_it_cannot() -> None:
    asked = request("supervised", device="cpu")
    nothing = replace(asked, volumes=(TrainingVolume(image()),))
    assert [e for e in forecast(asked) if isinstance(e, str)] == [
        "1 network, 1000 steps."
    ]
    (words,) = [e for e in forecast(nothing) if isinstance(e, str)]
    assert words.startswith("No slice has labels yet")


def test_looking_at_a_request_loads_no_torch() -> None:
    lines = (
        "import sys",
        "import napari_contrastseg.tasks.resolve",
        "import napari_contrastseg.tasks.describe",
        "import napari_contrastseg.tasks.train",
        "assert 'torch' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
