"""The command line: keys that scripts read, statuses, sentences."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.bench.demo import DemoRequest, _refuse_strange, demo
from napari_contrastseg.bench.simulate.annotate import SimulationRequest, annotate
from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.io.dataset import LabelledVolume, read_dataset, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.splits import (
    Labels,
    even_slices,
    read_training,
    share_slices,
    split_cases,
)

if TYPE_CHECKING:
    from pathlib import Path


def contrastseg(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "napari_contrastseg.cli",
            *map(str, words),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


Refused = Callable[..., str]


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Run a command that must fail with one line, and return the line."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code == 2, printed.err
        assert printed.err.count("\n") == 1, printed.err
        assert printed.err.startswith("contrastseg: ")
        assert printed.out == ""
        return printed.err

    return run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight phantoms as a data set."""
    root = tmp_path_factory.mktemp("data") / "set"
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i) for i in range(8))
    ]
    write_dataset(root, entries, {1: "core", 2: "shell"})
    return root


@pytest.fixture(scope="module")
def model(dataset: Path) -> Path:
    """A model that was trained for a moment."""
    out = dataset.parent / "model"
    done = contrastseg(
        "train", dataset, "--recipe", "supervised", "--slices", 6, "--fold", 0,
        "--steps", 2, "--out", out, "--json", out.parent / "train.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_train_predict_evaluate(dataset: Path, model: Path) -> None:
    report = json.loads((model.parent / "train.json").read_text())
    assert report["recipe"] == "supervised"
    assert report["preset"] == "sound"
    assert report["labelled_slices"] == 6
    assert len(report["labelled_cases"]) == 3
    (stage,) = report["stages"]
    assert stage["steps"] == 2
    assert len(stage["loss"]) == 2

    out = model.parent / "predictions"
    done = contrastseg(
        "predict", model, dataset, "--cases", "test", "--out", out, "--confidence",
        "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    predicted = json.loads(done.stdout)
    test = split_cases(read_dataset(dataset), 0).test
    assert predicted["cases"] == list(test)
    assert len(predicted["files"]) == 4
    assert predicted["peak_mb"] >= 0
    mask: Any = nib.load(out / f"{test[0]}.nii.gz")
    image: Any = nib.load(dataset / "imagesTr" / f"{test[0]}_0000.nii.gz")
    assert np.allclose(mask.affine, image.affine)
    assert mask.shape == image.shape
    assert np.issubdtype(mask.get_data_dtype(), np.integer)

    done = contrastseg("evaluate", out, dataset / "labelsTr", "--json", "-")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["cases"] == 2
    assert set(scores["dice"]) <= {"core", "shell"}
    keys = {"mean_dice", "pooled_dice", "mean_pooled_dice", "hd95_mm", "assd_mm"}
    assert keys <= set(scores)


def test_outputs_are_not_overwritten(
    dataset: Path, model: Path, refused: Refused
) -> None:
    said = refused(
        "train", dataset, "--recipe", "supervised", "--steps", 1, "--out", model
    )
    assert "exists already" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "magic"], "no recipe 'magic'"),
        (["--recipe", "supervised", "--preset", "x"], "no preset 'x'"),
        (["--recipe", "supervised", "--slices", "900"], "ask for fewer"),
        (["--recipe", "supervised", "--slices", "0"], "at least 1"),
        (["--recipe", "supervised", "--fraction", "2"], "within 0 and 1"),
        (["--recipe", "supervised", "--labelled", "nobody"], "nobody"),
        (["--recipe", "supervised", "--slices", "3", "--fraction", "0.5"], "not two"),
        (["--recipe", "supervised", "--steps", "3", "--minutes", "1"], "not both"),
        (["--recipe", "supervised", "--device", "cuda"], "No CUDA GPU"),
        (["--steps", "x", "--recipe", "supervised"], "--steps"),
        (["--recipe", "supervised", "--minutes", "nan"], "number of minutes"),
        (["--recipe", "hu2021", "--set", "sampling"], "NAME=VALUE"),
        (["--recipe", "hu2021", "--set", "sampling=some"], "sampling"),
        (["--recipe", "hu2021", "--set", "colour=1"], "no setting 'colour'"),
    ],
)
def test_bad_requests_get_one_sentence(
    dataset: Path, tmp_path: Path, words: list[str], said: str, refused: Refused
) -> None:
    out = tmp_path / "m"
    assert said in refused("train", dataset, *words, "--out", out)
    assert not out.exists()


def test_bad_inputs_get_one_sentence(
    dataset: Path, model: Path, tmp_path: Path, refused: Refused
) -> None:
    assert "no such folder" in refused(
        "train", tmp_path / "none", "--recipe", "supervised", "--out", tmp_path / "m"
    )
    assert "is no model" in refused(
        "predict", tmp_path, dataset, "--out", tmp_path / "p"
    )
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b rubbish")
    said = refused("predict", model, broken, "--out", tmp_path / "p")
    assert "broken.nii.gz" in said
    assert "evaluate" in refused("evaluate", "one")
    (tmp_path / "labels").mkdir()
    assert "no label" in refused("evaluate", broken, tmp_path / "labels")
    assert "no session" in refused("export-dataset", tmp_path, "--out", tmp_path / "d")


def test_recipes_are_listed() -> None:
    done = contrastseg("recipes", "--json", "-")
    found = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert {"supervised", "hu2021"} <= set(found)
    assert found["hu2021"]["presets"] == ["sound", "literal"]
    assert "Hu" in found["hu2021"]["paper"]


def test_annotate_sim(dataset: Path, tmp_path: Path) -> None:
    done = contrastseg(
        "annotate-sim", dataset, "--recipe", "supervised", "--slices", "3,5", "--steps",
        2, "--suggest", "queue", "--cases", 2, "--inner", "--out", tmp_path / "sim",
        "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [p["slices"] for p in report["points"]] == [3, 5]
    assert report["cases"] == 2
    first, second = (p["annotator_seconds"] for p in report["points"])
    assert 30 < first < second
    assert report["dataset"].endswith("training cases held back")
    name = "supervised-sound-queue-fold0-seed0-cases2-inner"
    assert (tmp_path / "sim" / f"{name}.png").is_file()
    assert json.loads((tmp_path / "sim" / f"{name}.json").read_text()) == report
    keys = {"slices", "mean_dice", "seconds", "annotator_seconds", "dice_estimate_r"}
    assert keys <= set(report["points"][0])


def test_unknown_voxels_stay_unknown_to_the_annotator() -> None:
    sample = phantom(0)
    session = Session()
    record = session.add_volume(sample.volume)
    session.add_class("core")
    session.add_class("shell")
    truth = sample.truth.astype(np.int16)
    truth[8, :20] = -1
    Annotator(session, {sample.volume.id: truth}).label(sample.volume.id, [7, 8])
    assert record.status[[7, 8]].tolist() == [Status.DONE, Status.SPARSE]
    assert np.array_equal(record.truth[7:9], truth[7:9])


def test_annotate_sim_needs_labels(dataset: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(dataset, bare, ignore=shutil.ignore_patterns("labelsTr"))
    with pytest.raises(InputError, match="no training case has labels"):
        list(annotate(SimulationRequest(bare, "supervised", (3,))))


def test_fractions_count_all_training_cases(dataset: Path, tmp_path: Path) -> None:
    partly = tmp_path / "partly"
    shutil.copytree(dataset, partly)
    for path in sorted((partly / "labelsTr").iterdir())[::2]:
        path.unlink()
    found = read_dataset(partly)
    split = split_cases(found, 0)
    training = read_training(
        found, split, Labels(fraction=0.34), axis=0, unlabelled=False
    )
    assert len(split.train) == 6
    assert len(training.labelled_cases) == 2


def test_a_demo_does_not_replace_an_edited_session(tmp_path: Path) -> None:
    session = Session()
    sample = phantom(0)
    session.add_volume(sample.volume)
    session.add_class()
    save_session(session, tmp_path / "session")
    report = tmp_path / "demo.json"
    report.write_text(json.dumps({"session": session.fingerprint}))
    _refuse_strange(tmp_path)  # nobody worked in it
    painting.paint(session, sample.volume.id, sample.truth == 1, 1)
    save_session(session, tmp_path / "session")
    with pytest.raises(InputError, match="was changed since the last demo"):
        next(demo(DemoRequest(tmp_path)))
    report.unlink()
    with pytest.raises(InputError, match="holds other files"):
        next(demo(DemoRequest(tmp_path)))
    with pytest.raises(InputError, match="no recipe 'none'"):
        next(demo(DemoRequest(tmp_path / "new", "none")))


def test_settings_of_a_recipe_can_be_set(dataset: Path, tmp_path: Path) -> None:
    done = contrastseg(
        "train", dataset, "--recipe", "hu2021", "--slices", 3, "--steps", 1, "--out",
        tmp_path / "m", "--set", "sampling=block", "--set", "foreground_limit=0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["settings"]["sampling"] == "block"
    assert card["settings"]["foreground_limit"] == 0


def test_two_classes_of_one_name_are_not_exported(tmp_path: Path) -> None:
    sample = phantom(0)
    entry = LabelledVolume(sample.volume, sample.truth.astype(np.int16))
    for names in ({1: "core", 2: "core"}, {1: "ignore", 2: "shell"}):
        with pytest.raises(InputError, match="Two classes would be called"):
            write_dataset(tmp_path / "set", [entry], names)
    assert not (tmp_path / "set").exists()


def test_export_dataset(tmp_path: Path) -> None:
    sample = phantom(0)
    session = Session()
    session.add_volume(sample.volume)
    session.add_class("core")
    session.add_class("shell")
    where = np.zeros(sample.truth.shape, bool)
    where[8] = sample.truth[8] > 0
    painting.paint(session, sample.volume.id, where, sample.truth[where])
    painting.mark(session, sample.volume.id, 8, Status.DONE)
    save_session(session, tmp_path / "session")
    done = contrastseg(
        "export-dataset", tmp_path / "session", "--out", tmp_path / "set", "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    written = read_dataset(tmp_path / "set")
    assert written.ignore == 3
    label: Any = nib.load(written.cases[0].label or "")
    values = np.asarray(label.dataobj)
    assert np.array_equal(values[8], sample.truth[8])
    assert (np.delete(values, 8, axis=0) == 3).all()


def test_doctor_says_what_there_is() -> None:
    report = json.loads(contrastseg("doctor", "--json", "-").stdout)
    assert {"python", "torch", "napari", "device", "gpu", "opengl", "problems"} <= set(
        report
    )


def test_folds_are_nested_and_apart(dataset: Path) -> None:
    found = read_dataset(dataset)
    split = split_cases(found, 3)
    names = [str(n) for n in np.random.default_rng(3).permutation(sorted(
        case.id for case in found.cases
    ))]  # fmt: skip
    assert split.test == tuple(names[-2:])
    assert split.train == tuple(names[:-2])
    assert split_cases(found, None).test == ()


def test_short_cases_give_all_they_have() -> None:
    assert share_slices(7, [10, 10, 10]) == [3, 2, 2]
    assert share_slices(24, [10, 7, 10]) == [9, 7, 8]
    with pytest.raises(InputError, match="the first 2 training cases have 9 slices"):
        share_slices(10, [4, 5])


def test_even_slices_are_spread() -> None:
    assert even_slices(10, 2).tolist() == [2, 7]
    assert even_slices(4, 4).tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="only 3"):
        even_slices(3, 4)
    with pytest.raises(InputError, match="not two"):
        Labels(slices=3, fraction=0.1)


def test_scores_by_hand() -> None:
    scores = Scores({1: "a", 2: "b", 3: "c"})
    truth = np.array([[[1, 1, 0, -1]]])
    mask = np.array([[[1, 0, 2, 2]]])
    per_class = scores.add(mask, truth)
    assert per_class == {1: pytest.approx(2 / 3), 2: 0.0}
    summary = scores.summary()
    assert summary["dice"] == {"a": pytest.approx(2 / 3, abs=1e-5), "b": 0.0}
    assert "c" not in summary["pooled_dice"]


def test_distances_are_in_mm() -> None:
    truth = np.zeros((9, 9, 9), int)
    truth[3:6, 3:6, 3:6] = 1
    scores = Scores({1: "a"})
    scores.add(np.roll(truth, 1, axis=0), truth, [2.0, 1.0, 1.0])
    assert scores.summary()["hd95_mm"] == pytest.approx(2.0)
