"""train, predict, evaluate and recipes on the command line."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.cli.options import voxel_size
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.tasks import dataset as files
from napari_contrastseg.tasks import file_prediction
from napari_contrastseg.tasks.splits import split_cases
from tests.kit.command_line import Refused, contrastseg, here

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stages_length_is_checked(
    dataset: Path,
    tmp_path: Path,
    refused: Refused,
) -> None:
    start = ("train", dataset, "--recipe", "hu2021", "--out", tmp_path / "m")
    lengths = ("0", "nanmin", "-1", "1e300min", "0epochs", "xepochs")
    for words in ("nonsense", "=3", *(f"fine-tune={length}" for length in lengths)):
        assert "write a stage's name" in refused(*start, "--stage", words)
    said = refused(*start, "--stage", "tuning=3")
    assert "no stage 'tuning' here; there are: global contrast" in said
    assert not (tmp_path / "m").exists()


def test_a_length_beyond_a_month_is_a_slip(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    start = ("train", dataset, "--recipe", "hu2021", "--out", tmp_path / "m")
    assert "0<x<=43200" in refused(*start, "--minutes", "1e300")
    assert "1<=x<=100000000" in refused(*start, "--steps", 10**12)
    assert not (tmp_path / "m").exists()


def test_one_stage_is_given_its_length(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", str(dataset), "--recipe", "hu2021", "--slices", "3", "--steps"]
    words += ["1", "--stage", "fine-tune=2", "--out", str(tmp_path / "m")]
    words += ["--stage", "local contrast=4epochs"]
    words += ["--device", "cpu", "--json", "-"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)
    steps = {stage["name"]: stage["steps"] for stage in report["stages"]}
    # four times three labelled slices, and six in a batch
    assert steps == {"global contrast": 1, "local contrast": 2, "fine-tune": 2}


def test_more_devices_than_there_are_are_refused(
    dataset: Path,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ("train", dataset, "--recipe", "supervised", "--out", tmp_path / "m")
    said = refused(*words, "--devices", 2)
    assert "2 devices are asked for and 0 CUDA GPUs can be used here" in said
    assert not (tmp_path / "m").exists()


def test_no_more_processes_than_the_cores_are_of_use_for(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    words = ("train", dataset, "--recipe", "supervised", "--out", tmp_path / "m")
    said = refused(*words, "--device", "cpu", "--devices", 100_000)
    assert "at most" in said
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_two_processes_train_a_model(dataset: Path, tmp_path: Path) -> None:
    short = ("--recipe", "supervised", "--slices", 3, "--steps", 2, "--json", "-")
    place = ("--device", "cpu", "--devices", 2, "--out", tmp_path / "m")
    done = contrastseg("train", dataset, *short, *place)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["device"] == "2 x cpu"
    assert [stage["steps"] for stage in report["stages"]] == [2]
    assert (tmp_path / "m" / "model.json").is_file()


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
    done = here(
        "predict", model, dataset, "--cases", "test", "--out", out, "--confidence",
        "--json", "-",
    )  # fmt: skip
    assert done.status == 0, done.err
    predicted = json.loads(done.out)
    test = split_cases(read_dataset(dataset), 0).test
    assert predicted["cases"] == list(test)
    assert len(predicted["files"]) == 4
    assert predicted["peak_mb"] >= 0
    mask: Any = nib.load(out / f"{test[0]}.nii.gz")
    image: Any = nib.load(dataset / "imagesTr" / f"{test[0]}_0000.nii.gz")
    assert np.allclose(mask.affine, image.affine)
    assert mask.shape == image.shape
    assert np.issubdtype(mask.get_data_dtype(), np.integer)

    judged = here("evaluate", out, dataset / "labelsTr", "--json", "-")
    assert judged.status == 0, judged.err
    scores = json.loads(judged.out)
    assert scores["cases"] == 2
    assert set(scores["dice"]) <= {"core", "shell"}
    keys = {"mean_dice", "pooled_dice", "mean_pooled_dice", "hd95_mm", "assd_mm"}
    assert keys <= set(scores)


def test_training_begins_from_a_model_of_another_recipe(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    """Pretraining on some images, fine-tuning on other labels."""
    short = ("--slices", 3, "--steps", 1)
    first = here(
        "train", dataset, "--recipe", "simclr", *short, "--only", "pretrain",
        "--out", tmp_path / "p",
    )  # fmt: skip
    assert first.status == 0, first.err
    words = ("train", dataset, "--recipe", "mixup", *short, "--from", tmp_path / "p")
    done = here(*words, "--out", tmp_path / "m", "--json", "-")
    assert done.status == 0, done.err
    assert [stage["name"] for stage in json.loads(done.out)["stages"]] == ["fine-tune"]
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["training"]["continued"]
    said = refused(
        *words, "--set", 'network={"widths":[8,16]}', "--out", tmp_path / "n"
    )
    assert "does not fit recipe mixup (widths: (16, 32, 64, 128) there" in said
    assert not (tmp_path / "n").exists()
    said = refused(*words, "--set", "neighbours=1", "--out", tmp_path / "n")
    assert "(channels: 5 there, 3 here)" in said
    assert "is not a model" in refused(
        "train", dataset, "--recipe", "mixup", *short, "--from", tmp_path, "--out",
        tmp_path / "n",
    )  # fmt: skip


def test_a_recipe_trains_with_the_pretraining_of_another(
    dataset: Path, tmp_path: Path
) -> None:
    done = here(
        "train", dataset, "--recipe", "mixup@simclr+pretrain_batch=2", "--slices", 3,
        "--steps", 1, "--out", tmp_path / "m", "--json", "-",
    )  # fmt: skip
    assert done.status == 0, done.err
    names = [stage["name"] for stage in json.loads(done.out)["stages"]]
    assert names == ["global contrast", "fine-tune"]
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["settings"]["pretraining"]["pretrain_batch"] == 2


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
        (["--recipe", "supervised", "--minutes", "nan"], "not a finite number"),
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
    assert "is not a model" in refused(
        "predict", tmp_path, dataset, "--out", tmp_path / "p"
    )
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b rubbish")
    said = refused("predict", model, broken, "--out", tmp_path / "p")
    assert "broken.nii.gz" in said
    assert "evaluate" in refused("evaluate", "one")
    (tmp_path / "labels").mkdir()
    assert "no label" in refused("evaluate", broken, tmp_path / "labels")
    assert "not a session" in refused(
        "export-dataset", tmp_path, "--out", tmp_path / "d"
    )


def test_a_case_that_fails_is_named_and_the_others_are_written(
    dataset: Path, model: Path, tmp_path: Path
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for image in sorted((dataset / "imagesTr").iterdir())[:2]:
        (scans / f"z_{image.name}").write_bytes(image.read_bytes())
    (scans / "cut.nii.gz").write_bytes(image.read_bytes()[:900])
    (scans / "empty.nii.gz").touch()
    out, report = tmp_path / "out", tmp_path / "report.json"
    said = here("predict", model, scans, "--out", out, "--json", report)
    assert said.status == 2
    *notes, masks, end = said.err.splitlines()
    assert [note[:26] for note in notes if "failed: " in note] == [
        "contrastseg: cut: failed: ",
        "contrastseg: empty: failed",
    ]
    assert masks.startswith("2 masks in ")
    assert end.startswith(
        "contrastseg: 2 cases failed, the others are written; the first is cut: "
        f"{scans / 'cut.nii.gz'}: cannot be read as NIfTI"
    )
    found = json.loads(report.read_text())
    assert sorted(found["failed"]) == ["cut", "empty"]
    assert "is an empty file" in found["failed"]["empty"]
    assert len(found["cases"]) == len(found["files"]) == 2
    assert all((out / f"{case}.nii.gz").is_file() for case in found["cases"])


def test_one_case_alone_fails_with_its_own_sentence(
    model: Path, tmp_path: Path, refused: Refused
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "cut.nii.gz").write_bytes(b"\x1f\x8b rubbish")
    said = refused("predict", model, scans, "--out", tmp_path / "p")
    assert "failed" not in said
    assert "cut.nii.gz: does not begin as NIfTI files do" in said
    assert not (tmp_path / "p" / "predictions.json").exists()


def test_masks_of_other_classes_are_kept_apart(
    dataset: Path, model: Path, tmp_path: Path, refused: Refused
) -> None:
    """One file names the classes of all masks beside it; `evaluate` goes by it."""
    names, out = tmp_path / "p" / "predictions.json", tmp_path / "p"
    words = ("predict", model, dataset, "--out", out, "--cases")
    assert here(*words, "phantom_000").status == 0
    mine = names.read_text()
    names.write_text(mine.replace("core", "liver"))
    before = sorted(path.name for path in out.iterdir())
    said = refused(*words, "phantom_001")
    assert "names the classes of another model, whose masks are there" in said
    assert "(phantom_000.nii.gz)" in said
    assert sorted(path.name for path in out.iterdir()) == before
    assert here(*words, "phantom_000", "--overwrite").status == 0  # none is left
    assert names.read_text() == mine
    assert here(*words, "phantom_001").status == 0


def test_what_cannot_be_written_is_no_fault_of_the_case(
    dataset: Path,
    model: Path,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a full disk would let all others be predicted in vain."""

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "p" / "x.nii.gz"))

    monkeypatch.setattr(file_prediction, "write_case", full)
    said = refused("predict", model, dataset, "--out", tmp_path / "p")
    assert "x.nii.gz: No space left on device" in said


def test_an_empty_path_is_not_the_folder_one_is_in(
    dataset: Path, model: Path, refused: Refused
) -> None:
    said = refused("predict", model, dataset, "--out", "")
    assert "'--out': is empty" in said
    assert "is empty" in refused("evaluate", "", dataset)
    assert "'--json': is empty" in refused("recipes", "--json", "")


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    words = ("train", dataset, "--recipe", "supervised", "--out", tmp_path / "m")
    report = dataset / "dataset.json" / "report.json"
    said = refused(*words, "--steps", 1, "--json", report)
    assert "dataset.json: is a file" in said
    assert not (tmp_path / "m").exists()


def test_a_command_that_is_refused_keeps_the_unfinished_run(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    kept = tmp_path / "m" / "checkpoint" / "checkpoint.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    words = ("train", dataset, "--out", tmp_path / "m", "--overwrite")
    refused(*words, "--recipe", "nosuch")
    refused(*words, "--recipe", "supervised", "--labelled", "nobody")
    assert kept.is_file()


def test_a_model_that_another_process_wrote_meanwhile_is_kept(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, card = files._trained, tmp_path / "m" / "model.json"

    def beside_another(run: Any) -> Any:
        result = yield from trained(run)
        card.parent.mkdir(exist_ok=True)
        card.write_text("of another")
        return result

    monkeypatch.setattr(files, "_trained", beside_another)
    words = ("train", dataset, "--recipe", "supervised", "--slices", 6, "--steps", 1)
    said = here(*words, "--out", card.parent)
    assert said.status == 2
    assert "another process wrote a model there meanwhile" in said.err
    assert card.read_text() == "of another"


@pytest.mark.parametrize("cases", ["", ","])
def test_no_case_is_not_every_case(
    dataset: Path, model: Path, tmp_path: Path, cases: str, refused: Refused
) -> None:
    out = tmp_path / "p"
    said = refused("predict", model, dataset, "--cases", cases, "--out", out)
    assert "names no case" in said
    assert not out.exists()


@pytest.mark.parametrize("folder", ["imagesTr", "labelsTr"])
def test_masks_are_kept_out_of_the_data_set(
    dataset: Path, model: Path, folder: str, refused: Refused
) -> None:
    there = sorted(dataset.rglob("*"))
    words = ("predict", model, dataset, "--out", dataset / folder, "--overwrite")
    assert "mistaken for" in refused(*words)
    images = dataset / "imagesTr"
    assert "mistaken for" in refused("predict", model, images, "--out", images)
    assert sorted(dataset.rglob("*")) == there


def test_a_mask_with_the_name_of_its_image_is_no_matter_of_overwriting(
    dataset: Path, model: Path, tmp_path: Path, refused: Refused
) -> None:
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(next((dataset / "imagesTr").iterdir()).read_bytes())
    said = refused("predict", model, scan, "--out", tmp_path)
    assert "is the image itself; choose another folder" in said


def test_a_card_without_a_format_is_not_of_a_newer_version(
    dataset: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "weights.safetensors").touch()
    said = refused("predict", tmp_path, dataset, "--out", tmp_path / "p")
    assert "does not say its format" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_a_name_that_is_no_utf_8_can_be_read_back_from_the_report(
    dataset: Path, model: Path, tmp_path: Path
) -> None:
    scan = tmp_path / os.fsdecode(b"a\xff.nii.gz")
    scan.write_bytes(next((dataset / "imagesTr").iterdir()).read_bytes())
    report = tmp_path / "report.json"
    words = ("predict", model, scan, "--out", tmp_path / "p", "--json", report)
    assert here(*words).status == 0
    (file,) = json.loads(report.read_text())["files"]
    assert os.path.exists(file)  # noqa: PTH110


def test_closed_streams_take_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["contrastseg", "predict", str(tmp_path), "x", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2


def test_recipes_are_listed() -> None:
    done = here("recipes", "--json", "-")
    found = {entry["name"]: entry for entry in json.loads(done.out)}
    assert {"supervised", "hu2021"} <= set(found)
    assert found["hu2021"]["presets"] == ["sound", "literal"]
    assert "Hu" in found["hu2021"]["paper"]


@pytest.mark.usefixtures("small_networks")
def test_settings_of_a_recipe_can_be_set(dataset: Path, tmp_path: Path) -> None:
    done = here(
        "train", dataset, "--recipe", "hu2021", "--slices", 3, "--steps", 1, "--out",
        tmp_path / "m", "--set", "sampling=block", "--set", "foreground_limit=0",
    )  # fmt: skip
    assert done.status == 0, done.err
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["settings"]["sampling"] == "block"
    assert card["settings"]["foreground_limit"] == 0


@pytest.mark.parametrize("size", ["1,1um", "1,1,1", "1,0,1um", "a,b,cmm", "1,1,1,1nm"])
def test_a_voxel_size_needs_three_lengths_and_a_unit(
    refused: Refused, tmp_path: Path, size: str
) -> None:
    words = ("predict", tmp_path, tmp_path, "--out", tmp_path, "--voxel-size", size)
    assert f"--voxel-size {size!r}: give three lengths" in refused(*words)


def test_a_voxel_size_is_read_in_mm() -> None:
    assert voxel_size(None) is None
    assert voxel_size("0.3,0.1,0.1um") == pytest.approx((0.3e-3, 0.1e-3, 0.1e-3))
    assert voxel_size(" 5, 2, 2 mm") == pytest.approx((5, 2, 2))
    assert voxel_size("3e2,100,100 nm") == pytest.approx((3e-4, 1e-4, 1e-4))


def test_a_voxel_size_is_refused_where_the_file_knows_its_place(
    refused: Refused, dataset: Path, model: Path, tmp_path: Path
) -> None:
    words = ("predict", model, dataset, "--cases", "phantom_000")
    said = refused(*words, "--out", tmp_path / "out", "--voxel-size", "1,1,1mm")
    assert "its file states its place and voxel size" in said


@pytest.mark.usefixtures("small_networks")
def test_unrelated_pictures_are_trained_without_neighbours(
    dataset: Path, tmp_path: Path
) -> None:
    done = here(
        "train", dataset, "--recipe", "supervised", "--slices", 6, "--steps", 1,
        "--set", "neighbours=1", "--unrelated", "--out", tmp_path / "m",
    )  # fmt: skip
    assert done.status == 0, done.err
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert card["input"]["neighbours"] == 0
