"""Comparing methods: cells, their summary, peers, converted data sets, curves."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import torch

from napari_contrastseg import cli
from napari_contrastseg.bench.compare import (
    cells,
    curves,
    methods,
    nnunet,
)
from napari_contrastseg.bench.compare import (
    datasets as converted,
)
from napari_contrastseg.bench.compare import (
    random_forest as forest,
)
from napari_contrastseg.bench.compare.methods import MethodsRequest
from napari_contrastseg.bench.compare.peers import LearnedModel, learn_to_the_end
from napari_contrastseg.bench.compare.published import published
from napari_contrastseg.bench.compare.summary import difference, summarise, table
from napari_contrastseg.bench.measure.subprocess_runner import Job, run_parallel
from napari_contrastseg.evaluation.hu_dice import HuDice
from napari_contrastseg.io.dataset import (
    LabelledVolume,
    read_dataset,
    read_image,
    read_truth,
    write_dataset,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume, write_mask
from napari_contrastseg.io.json import parse
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.events import Note
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.splits import Split, read_training
from tests.unit.cli.test_commands import (  # noqa: F401  a fixture
    Refused,  # noqa: TC001
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHAPE = (8, 24, 24)
CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small phantoms as a data set."""
    root = tmp_path_factory.mktemp("data") / "set"
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i, SHAPE) for i in range(8))
    ]
    write_dataset(root, entries, {1: "core", 2: "shell"})
    return root


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 8)
    monkeypatch.setattr(forest, "MOST_PIXELS", 3000)
    monkeypatch.setattr(forest, "SIGMAS", (0.5, 4.0))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run cells in this process; the names of those that ran, `broken` ones fail."""
    names: list[str] = []

    def here(errands: Sequence[Job], _: int) -> Iterator[tuple[int, str | None]]:
        for number, errand in enumerate(errands):
            names.append(errand.log.stem)
            if "random_forest" in errand.log.stem and "broken" in names:
                yield number, "the forest burns"
                continue
            cells.main(*errand.arguments)
            yield number, None

    monkeypatch.setattr(methods, "run_parallel", here)
    return names


# -- cells ---------------------------------------------------------------------


def test_cells_are_done_once(dataset: Path, tmp_path: Path, ran: list[str]) -> None:
    names = ("supervised", "random_forest")
    asked = MethodsRequest(
        dataset, tmp_path / "out", names, (0.2,), (0,), device="cpu", steps=1
    )
    *_, report = methods.methods(asked)
    assert isinstance(report, dict)
    assert len(ran) == 2
    assert report["failed"] == {}
    first, second = report["cells"]
    keys = {"recipe", "preset", "fraction", "fold", "hu_pooled_dice", "pooled_dice"}
    assert keys | {"mean_dice", "seconds", "peak_mb", "hd95_mm", "assd_mm"} <= set(
        first
    )
    assert first["labelled_cases"] == 1
    assert first["labelled_slices"] == SHAPE[0]
    assert first["stages"] == [{"name": "fine-tune", "steps": 1}]
    assert set(first["test_cases"]) == set(second["test_cases"])
    assert second["mean_dice"] > 0.7
    gap = report["summary"]["0.2"]["random_forest"]["difference"]
    pairs = [second["test_cases"][n] - x for n, x in first["test_cases"].items()]
    assert gap["mean"] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert "| random_forest |" in (tmp_path / "out" / "table.md").read_text()

    (tmp_path / "out" / f"{ran[0]}.json").unlink()
    (tmp_path / "out" / ".0a1b2c3d-part.json").write_text('{"half')
    again = list(methods.methods(asked))
    assert ran[2:] == ran[:1]
    assert Note("1 of 2 cells are there already.") in again
    assert isinstance(again[-1], dict)
    assert again[-1]["cells"][0]["mean_dice"] == first["mean_dice"]

    other = MethodsRequest(
        dataset, tmp_path / "out", names, (0.2,), (0,), device="cpu", steps=2
    )
    with pytest.raises(InputError, match=r"other settings \(steps: 1, now 2\)"):
        list(methods.methods(other))
    (tmp_path / "out" / f"{ran[0]}.json").write_text("[]")
    with pytest.raises(InputError, match="is no cell"):
        list(methods.methods(asked))


def test_other_cells_go_on_when_one_fails(
    dataset: Path,
    tmp_path: Path,
    ran: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran.append("broken")
    words = ["bench", "methods", dataset, "--recipes", "random_forest,supervised"]
    words += ["--fractions", "0.2", "--steps", "1", "--device", "cpu", "--out"]
    words += [tmp_path / "out", "--json", tmp_path / "report.json"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "1 cells failed, the others are done: random_forest-sound-0.2-fold0" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert [cell["recipe"] for cell in report["cells"]] == ["supervised"]
    assert list(report["failed"].values()) == ["the forest burns"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipes", "magic"], "no recipe or peer 'magic'"),
        (["--recipes", ","], "names nothing"),
        (["--recipes", "supervised,supervised"], "is there twice"),
        (["--fractions", "0"], "within 0 and 1"),
        (["--fractions", "0.1,2"], "within 0 and 1"),
        (["--fractions", "nan"], "within 0 and 1"),
        (["--fractions", "some"], "give numbers"),
        (["--folds", "-1"], "0 or above"),
        (["--folds", "0,1,0"], "is there twice"),
        (["--preset", "x"], "no preset 'x'"),
        (["--recipes", "supervised,nnunet", "--device", "cpu"], "CUDA GPU"),
        (["--device", "cuda"], "No CUDA GPU"),
    ],
)
def test_what_makes_no_sense_is_refused_first(
    dataset: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    refused: Refused,  # noqa: F811
) -> None:
    out = tmp_path / "out"
    assert said in refused("bench", "methods", dataset, "--out", out, *words)
    assert not out.exists()


def test_a_fold_needs_test_cases(tmp_path: Path) -> None:
    sample = phantom(0, SHAPE)
    entry = LabelledVolume(sample.volume, sample.truth.astype(np.int16))
    write_dataset(tmp_path / "set", [entry], {1: "core", 2: "shell"})
    asked = MethodsRequest(tmp_path / "set", tmp_path / "out", ("supervised",))
    with pytest.raises(InputError, match="no test case with labels in fold 0"):
        next(iter(methods.methods(asked)))


def test_short_budgets_bound_each_stage() -> None:
    def lengths(recipe: str, **changes: Any) -> Budget:
        budget = changes.pop("budget", "short")
        cell = cells.Cell("d", recipe, "sound", 0.1, 0, 0, budget, "cpu", **changes)
        return cells.budget_of(cell)

    short = lengths("hu2021").stages
    assert short
    assert all(0 < (stage.steps or 0) <= cells.SHORT for stage in short)
    assert lengths("hu2021", budget="full") == Budget()
    assert lengths("hu2021", steps=3) == Budget(3)
    assert lengths("nnunet") == Budget(cells.SHORT)


def test_cells_at_once_follow_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, count in ((140, 8), (40, 3), (5, 1)):
        size = free * 2**30
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda size=size: (size, size))
        assert methods.usual_at_once("cuda") == count
    assert methods.usual_at_once("cpu") == 1


def test_errands_run_side_by_side(tmp_path: Path) -> None:
    good, missing = tmp_path / "good.json", tmp_path / "missing.json"
    good.write_text("{}")
    errands = [
        Job("json.tool", (str(path), str(tmp_path / "out")), path.with_suffix(".log"))
        for path in (good, missing)
    ]
    found = dict(run_parallel(errands, 2))
    assert found[0] is None
    assert "missing.json" in (found[1] or "")
    assert not good.with_suffix(".log").exists()
    assert missing.with_suffix(".log").exists()


def test_errands_end_with_their_caller(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    quick = Job("json.tool", (str(tmp_path / "none"),), tmp_path / "quick.log")
    running = run_parallel([quick, Job("http.server", ("0",), log)], 2)
    assert next(iter(running))[0] == 0
    running.close()  # type: ignore[attr-defined]
    assert not log.exists()


# -- scores and summary --------------------------------------------------------


def test_hu_dice_by_hand() -> None:
    scores = HuDice({1: "a", 2: "b"})
    small = np.zeros((1, 2, 2), int)
    small[0, 0, 0] = 1
    scores.add(small, small, 0)  # 1024 pixels of 64 x 64, all of them right
    large = np.zeros((4, 4, 1), int)
    large[3, 3, 0] = 1
    scores.add(large, np.zeros_like(large), 2)  # 256 pixels too many
    assert scores.per_class() == {"a": pytest.approx(2048 / (2048 + 256), abs=1e-5)}
    assert scores.mean() == scores.per_class()["a"]


def test_hu_dice_takes_the_nearest_pixel() -> None:
    scores = HuDice({1: "a", 2: "b"})
    truth = np.zeros((1, 128, 128), int)
    truth[0, 0, 0] = 2  # falls between the pixels that are looked at
    truth[0, 1, 1] = 1
    truth[0, 3, 3] = -1
    mask = np.zeros_like(truth)
    mask[0, [1, 3, 5], [1, 3, 5]] = 1
    scores.add(mask, truth, 0)
    assert scores.per_class() == {"a": pytest.approx(2 / 3, abs=1e-5)}


def a_cell(recipe: str, fold: int, cases: dict[str, float]) -> dict[str, Any]:
    figures = dict.fromkeys(("pooled_dice", "hd95_mm", "assd_mm", "peak_mb"))
    mean = float(np.mean(list(cases.values())))
    return {
        "recipe": recipe, "fraction": 0.05, "fold": fold, "test_cases": cases,
        "mean_dice": mean, "hu_pooled_dice": mean, "seconds": 10.0,
        "labelled_cases": 7, "labelled_slices": 250, **figures,
    }  # fmt: skip


def test_differences_are_paired_by_case_and_clustered_by_fold() -> None:
    base = [
        a_cell("supervised", 0, {"x": 0.5, "y": 0.7}),
        a_cell("supervised", 1, {"z": 0.2}),
    ]
    same = [
        a_cell("hu2021", 0, {"y": 0.8, "x": 0.6, "new": 1.0}),
        a_cell("hu2021", 1, {"z": 0.3}),
    ]
    found = difference(same, base)
    assert found == {"mean": 0.1, "interval": [0.1, 0.1], "cases": 3, "folds": 2}
    apart = [same[0], a_cell("hu2021", 1, {"z": 0.0})]
    found = difference(apart, base, seed=1)
    assert found is not None
    assert found["mean"] == 0.0
    assert found["interval"] == [-0.2, 0.1]  # whole folds are drawn
    assert found == difference(apart, base, seed=1)
    one = difference([a_cell("a", 0, {"x": 0.6, "y": 0.6})], base)
    assert one is not None
    assert one["interval"] == [-0.1, 0.1]
    assert difference([a_cell("hu2021", 5, {"x": 1.0})], base) is None


def test_the_summary_stands_beside_the_papers() -> None:
    name = "Task04_Hippocampus"
    found = [
        a_cell("supervised", 0, {"x": 0.7}),
        a_cell("supervised", 1, {"z": 0.8}),
        a_cell("hu2021", 0, {"x": 0.75}),
        a_cell("hu2021", 1, {"z": 0.85}),
    ]
    summary = summarise(found, name)
    row = summary["0.05"]["hu2021"]
    assert row["mean_dice"]["mean"] == pytest.approx(0.8)
    assert row["mean_dice"]["sd"] == pytest.approx(0.1 / np.sqrt(2))
    assert row["peak_mb"] == {"mean": None, "sd": None}
    assert row["difference"]["mean"] == pytest.approx(0.05)
    assert "difference" not in summary["0.05"]["supervised"]
    (paper,) = row["published"]
    assert (paper["value"], paper["metric"]) == (0.822, "hu_pooled_dice")
    text = table(summary, name, "Made up.")
    assert "+0.050 [+0.050, +0.050]" in text
    assert "| 7 | Hu et al. 2021 | Mixup | 0.818 |" in text


# -- peers ---------------------------------------------------------------------


def a_request(recipe: str, *volumes: TrainingVolume, **changes: Any) -> TrainRequest:
    return TrainRequest(volumes, CLASSES, 0, recipe, device="cpu", **changes)


def test_a_forest_learns_a_phantom() -> None:
    sample = phantom(0, (16, 40, 40))
    target = np.full(sample.truth.shape, -1, np.int16)
    target[[4, 8]] = sample.truth[[4, 8]]
    request = a_request(
        "random_forest", TrainingVolume(sample.volume, target),
        TrainingVolume(phantom(1, (16, 40, 40)).volume),
    )  # fmt: skip
    learned, stages = learn_to_the_end(request)
    assert [stage.name for stage in stages] == ["forest"]
    ((volume, found),) = learned.predict([sample.volume])
    assert volume is sample.volume
    for value in (1, 2):
        mine, theirs = found.labels == value, sample.truth == value
        assert 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()) > 0.75
    assert found.confidence.min() > 0
    again, _ = learn_to_the_end(request)
    ((_, twin),) = again.predict([sample.volume])
    assert np.array_equal(found.labels, twin.labels)
    blank = np.where(target >= 0, 0, -1)
    with pytest.raises(InputError, match="Only background"):
        learn_to_the_end(
            a_request("random_forest", TrainingVolume(sample.volume, blank))
        )


def test_pixels_of_a_forest_are_balanced() -> None:
    truths = [np.repeat([-1, 0, 2], [50, 9000, 20]), np.repeat([0, 2], [2000, 30])]
    picked = forest.balanced([t.astype(np.int16) for t in truths], 0)
    drawn = np.concatenate([t[p] for t, p in zip(truths, picked, strict=True)])
    assert np.bincount(drawn).tolist() == [1500, 0, 50]
    assert all(len(np.unique(p)) == len(p) for p in picked)


def test_recipes_learn_in_the_same_way() -> None:
    sample = phantom(0, SHAPE)
    entry = TrainingVolume(sample.volume, sample.truth.astype(np.int16))
    learned, stages = learn_to_the_end(a_request("supervised", entry, budget=Budget(1)))
    assert isinstance(learned, LearnedModel)
    assert [stage.steps for stage in stages] == [1]
    ((_, found),) = learned.predict([sample.volume])
    assert found.labels.shape == SHAPE


def test_nnunet_takes_the_nearest_length() -> None:
    assert nnunet.trainer_for(Budget(600)) == (5, "nnUNetTrainer_5epochs")
    assert nnunet.trainer_for(Budget(250)) == (1, "nnUNetTrainer_1epoch")
    assert nnunet.trainer_for(Budget()) == (1000, "nnUNetTrainer")
    with pytest.raises(InputError, match="--steps"):
        nnunet.trainer_for(Budget(minutes=1))


@pytest.mark.parametrize("stored", [False, True])
def test_nnunet_gets_our_labels_and_gives_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """With its programs replaced by one that knows the truth."""
    sample = phantom(0, SHAPE)
    volume = sample.volume
    if stored:
        entry = LabelledVolume(volume, sample.truth.astype(np.int16))
        write_dataset(tmp_path, [entry], {1: "core", 2: "shell"})
        volume = read_image([tmp_path / "imagesTr" / f"{volume.id}_0000.nii.gz"], "v")
    seen: dict[str, Any] = {}

    def fake(root: Path, program: str, *words: str) -> None:
        if program == "nnUNetv2_train":
            raw = read_dataset(root / "nnUNet_raw" / nnunet.NAME)
            (case,) = raw.cases
            image = read_image(case.images, case.id)
            seen.update(ignore=raw.ignore, truth=read_truth(raw, case, image))
        if program == "nnUNetv2_predict":
            images, masks = (tmp_path / words[i] for i in (1, 3))
            for path in images.iterdir():
                image = read_volume(path)
                bright = np.asarray(image.data[0]) > 100
                target = masks / path.name.replace("_0000", "")
                write_mask(target, np.where(bright, 2, 1), image)

    monkeypatch.setattr(nnunet, "_run", fake)
    monkeypatch.setattr(nnunet, "check", lambda _: None)
    target = np.full(SHAPE, -1, np.int16)
    target[3] = np.where(sample.truth[3] == 2, 9, sample.truth[3])
    request = TrainRequest(
        (TrainingVolume(volume, target), TrainingVolume(phantom(1, SHAPE).volume)),
        (ModelClass(1, "core"), ModelClass(9, "shell")), 0, "nnunet",
        budget=Budget(100),
    )  # fmt: skip
    learned, stages = learn_to_the_end(request)
    assert stages[0].steps == nnunet.STEPS_PER_EPOCH
    assert seen["ignore"] == 3
    assert np.array_equal(seen["truth"], np.where(target == 9, 2, target))
    ((_, found),) = learned.predict([volume])
    bright = np.asarray(volume.data[0]) > 100
    assert np.array_equal(found.labels, np.where(bright, 9, 1))


def test_nnunet_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="CUDA GPU"):
        nnunet.check("cpu")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="program nnUNetv2_nothing is missing"):
        nnunet._run(tmp_path, "nnUNetv2_nothing")


# -- converted data sets -------------------------------------------------------


def test_pictures_become_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "Kvasir-SEG"
    for part, count in (("train", 12), ("validation", 3)):
        for folder in ("images", "masks"):
            (source / part / folder).mkdir(parents=True)
        for number in range(count):
            picture = np.zeros((16, 24, 3), np.uint8)
            picture[..., 0] = 10 * number
            mask = np.zeros((16, 24), np.uint8)
            mask[:, 12:] = 255
            for folder, array in (("images", picture), ("masks", mask)):
                imageio.imwrite(source / part / folder / f"{number}.jpg", array)
    monkeypatch.setattr(converted, "KVASIR_TRAINING", 10)
    root = converted.as_dataset(source, tmp_path / "data")
    assert root == tmp_path / "data" / "Kvasir-SEG"
    found = read_dataset(root)
    assert len(found.cases) == 15
    split = converted.split_of(found, 0)
    files = sorted(path.name for path in (source / "train" / "images").iterdir())
    drawn = np.random.default_rng(0).permutation(files)[:10]
    assert split.train == tuple(f"train_{name[:-4]}" for name in drawn)
    assert len(split.test) == 3
    assert converted.split_of(found, 1).train != split.train
    labels = converted.labels_of(found, 0.2)
    training = read_training(found, split, labels, axis=None, unlabelled=True)
    assert training.labelled_cases == split.train[:2]
    assert len(training.volumes) == 10
    first = training.volumes[0]
    assert first.volume.shape == (1, 16, 24)
    assert first.volume.channels == ("red", "green", "blue")
    assert first.volume.kind == "stack"
    assert first.target is not None
    assert np.array_equal(first.target[0], np.tile([0] * 12 + [1] * 12, (16, 1)))

    made = (root / "dataset.json").stat().st_mtime_ns
    assert converted.as_dataset(source, tmp_path / "data") == root
    assert (root / "dataset.json").stat().st_mtime_ns == made
    assert converted.as_dataset(root, tmp_path) == root
    (source / "validation" / "masks" / "0.jpg").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"0\.jpg: cannot be read as JPEG"):
        converted.as_dataset(source, tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def check_isbi(source: Path, cache: Path) -> None:
    found = read_dataset(converted.as_dataset(source, cache))
    split = converted.split_of(found, 3)
    assert split == Split(("train",), ("test",))
    image, label = (tifffile.imread(source / f"{n}.tif") for n in ("image", "label"))
    for fraction, slices in ((0.07, [7]), (0.14, [3, 11]), (0.27, [1, 5, 9, 13])):
        labels = converted.labels_of(found, fraction)
        training = read_training(found, split, labels, axis=None, unlabelled=True)
        (entry,) = training.volumes
        assert training.axis == 0
        assert entry.target is not None
        assert np.flatnonzero((entry.target >= 0).any((1, 2))).tolist() == slices
        assert np.array_equal(entry.volume.data[0], image[:15])
    (test,) = converted.labelled_volumes(found, split.test)
    truth = read_truth(found, found.case("test"), test)
    assert np.array_equal(truth, label[20:30])
    assert converted.seed_of(found, 5, 3) == 8


def test_a_stack_becomes_a_data_set(tmp_path: Path) -> None:
    source = tmp_path / "ISBI2012"
    source.mkdir()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (30, 12, 16), np.uint8)
    tifffile.imwrite(source / "image.tif", image)
    tifffile.imwrite(source / "label.tif", (image > 99).astype(np.uint8))
    check_isbi(source, tmp_path / "data")
    tifffile.imwrite(source / "label.tif", image[:20])
    with pytest.raises(InputError, match="download them again"):
        converted.as_dataset(source, tmp_path / "other")


def test_ordinary_data_sets_are_left_alone(dataset: Path, tmp_path: Path) -> None:
    assert converted.as_dataset(dataset, tmp_path / "data") == dataset
    found = read_dataset(dataset)
    assert converted.labels_of(found, 0.5).fraction == 0.5
    assert converted.seed_of(found, 5, 3) == 5
    assert not (tmp_path / "data").exists()


def test_real_data_follow_their_protocols(data_root: Path, tmp_path: Path) -> None:
    check_isbi(data_root / "ISBI2012", tmp_path)
    pictures = data_root / "Kvasir-SEG" / "train"
    for path in sorted((pictures / "images").iterdir())[:3]:
        picture = converted._read_picture(path, "RGB")
        mask = converted._read_picture(pictures / "masks" / path.name, "L")
        assert picture.shape == (352, 352, 3)
        assert 0 < (mask > converted.MASK_THRESHOLD).mean() < 1
    for name, fraction, count in (
        ("Task04_Hippocampus", 0.05, 7),
        ("Task04_Hippocampus", 0.1, 15),
        ("Task04_Hippocampus", 0.2, 31),
        ("ACDC", 0.03, 1),
        ("ACDC", 0.06, 2),
        ("ACDC", 0.21, 8),
    ):
        split = converted.split_of(read_dataset(data_root / name), 0)
        assert max(1, int(fraction * len(split.train) + 1e-9)) == count
        assert published(name, count, "supervised")


# -- curves --------------------------------------------------------------------


def a_report(recipe: str, fold: int, *dice: float | None) -> dict[str, Any]:
    points = [
        {"slices": 3 * (i + 1), "mean_dice": d, "annotator_seconds": 60.0 * (i + fold)}
        for i, d in enumerate(dice)
    ]
    return {
        "dataset": "set", "recipe": recipe, "preset": "sound", "fold": fold, "seed": 0,
        "suggest": "even", "points": points,
    }  # fmt: skip


def test_ways_to_suggest_are_held_against_even_slices() -> None:
    reports = [
        a_report("supervised", 0, 0.5, 0.6),
        a_report("supervised", 0, 0.6, 0.65) | {"suggest": "queue"},
        a_report("supervised", 1, 0.3) | {"suggest": "queue"},
    ]
    runs = [parse(curves.Run, report, "a report") for report in reports]
    even, queue = curves.join(runs)["curves"]
    assert even["points"][0]["to_even"] is None
    few, many = queue["points"]
    assert (few["runs"], few["to_even"], many["to_even"]) == (2, 0.1, 0.05)
    assert few["difference"] is None


def test_curves_are_joined_over_folds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = [
        a_report("supervised", 0, 0.5, 0.6),
        a_report("supervised", 1, 0.3, 0.4),
        a_report("hu2021", 0, 0.6, 0.65),
        a_report("hu2021", 1, 0.5, None),
    ]
    files = []
    for number, report in enumerate(reports):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(report))
    words = ["bench", "curves", *files, "--out", tmp_path / "out", "--json", "-"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    first, second = json.loads(capsys.readouterr().out)["curves"]
    assert first["recipe"] == "supervised"
    assert [p["mean_dice"] for p in first["points"]] == [0.4, 0.5]
    assert first["points"][0]["difference"] is None
    few, many = second["points"]
    assert (few["runs"], few["pairs"], few["slices"]) == (2, 2, 3)
    assert few["difference"] == pytest.approx(0.15)
    assert few["difference_sd"] == pytest.approx(0.1 / np.sqrt(2), abs=1e-5)
    assert few["annotator_seconds"] == 30.0
    assert (many["runs"], many["difference"]) == (1, 0.05)
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000

    with pytest.raises(InputError, match="second run of supervised, fold 0"):
        curves.read_runs([files[0], files[0]])
    other = a_report("supervised", 2, 0.5) | {"dataset": "other"}
    files[1].write_text(json.dumps(other))
    with pytest.raises(InputError, match="one data set"):
        curves.read_runs(files)
    files[1].write_text('{"cells": []}')
    with pytest.raises(InputError, match=r"1\.json: recipe"):
        curves.read_runs(files)


def test_a_variant_has_a_name_that_every_system_takes() -> None:
    recipe = 'supervised+pixels=49152+augmentation={"mirror": true}'
    cell = cells.Cell("d", recipe, "sound", 0.05, 0, 0, "short", "cpu")
    assert cell.name == (
        "supervised+pixels=49152+augmentation=_mirror_true_-sound-0.05-fold0-seed0-short"
    )
