"""The command export: what the window exports, from a saved session."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.session import painting
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal, mask_of
from napari_contrastseg.tasks.exports import Output, catalogue, export_named
from tests.kit.models import untrained_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def run(
    words: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.fixture
def proposed(session: Session, tmp_path: Path) -> tuple[Session, Path]:
    """A session with a proposal and some ink, and the folder it is saved in."""
    ((name, record),) = session.records.items()
    labels = np.random.default_rng(0).integers(0, 3, record.volume.shape)
    sure = np.full(labels.shape, 0.9, np.float16)
    proposal = Proposal(1, labels.astype(np.uint8), sure)
    info = RoundInfo(1, "supervised", 1, 1.0)
    session.add_round(Round(info, untrained_model(), Proposals({name: proposal})))
    where = np.zeros(record.volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, name, where, 2)
    save_session(session, tmp_path / "session")
    return session, tmp_path / "session"


@pytest.mark.parametrize("complete", [True, False])
def test_masks_of_a_saved_session_are_those_of_the_window(
    proposed: tuple[Session, Path],
    complete: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session, folder = proposed
    ((name, record),) = session.records.items()
    out = tmp_path / "out"
    words = ["export", folder, "--as", "masks", "--out", out, "--json", "-"]
    words += ["--set", "ending=.tif", "--set", f"complete={str(complete).lower()}"]
    status, printed, _ = run(words, monkeypatch, capsys)
    assert status == 0
    assert json.loads(printed) == {
        "export": "masks",
        "options": {
            "ending": ".tif",
            "complete": complete,
            "origin": False,
            "numbers": "own",
            "instances": "none",
        },
        "files": [str(out / f"{name}.tif")],
    }
    expected = mask_of(record, complete=complete)
    assert expected.any()
    assert np.array_equal(read_labels(out / f"{name}.tif").data[0], expected)
    status, _, said = run(words, monkeypatch, capsys)
    assert status == 2
    assert "exists already" in said
    assert run([*words, "--overwrite"], monkeypatch, capsys)[0] == 0


def test_a_model_of_a_saved_session_is_that_of_the_window(
    proposed: tuple[Session, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session, folder = proposed
    model = export_named("model")
    list(model.write(session, model.options, Output(tmp_path / "window")))
    words = ["export", folder, "--as", "model", "--out", tmp_path / "shell"]
    assert run(words, monkeypatch, capsys)[0] == 0
    for file in ("model.json", "weights.safetensors"):
        window, shell = (tmp_path / who / "model" for who in ("window", "shell"))
        assert (window / file).read_bytes() == (shell / file).read_bytes()


def test_exports_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, _ = run(["export", "--list", "--json", "-"], monkeypatch, capsys)
    assert status == 0
    found = {entry["name"]: entry for entry in json.loads(printed)}
    assert found.keys() == catalogue().keys()
    ending = found["masks"]["options"][0]
    assert ending["default"] == "own"
    assert ending["choices"] == ["own", ".nii.gz", ".tif", ".ome.tif", "folder"]
    _, printed, _ = run(["export", "--list"], monkeypatch, capsys)
    for name, export in catalogue().items():
        assert f"{name:<14} {export.summary}\n" in printed
        for option in setting_fields(type(export.options)):
            assert f"--set {option}=" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give SESSION, --as NAME and --out DIR, or --list"),
        (["there", "--as", "masks"], "Give SESSION"),
        (["there", "--as", "films", "--out", "x"], "There is no export 'films'"),
        (["there", "--as", "masks", "--out", "x"], "not a session"),
        (["there", "--as", "masks", "--out", "x", "--set", "a=1"], "no option 'a'"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, printed, error = run(["export", *words], monkeypatch, capsys)
    assert status == 2
    assert printed == ""
    assert said in error
    assert error.count("\n") == 1


def test_what_no_round_predicted_is_interpolated_and_said_so(
    session: Session,
    sample: Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ((name, record),) = session.records.items()
    for index in (5, 9):
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(session, name, where, sample.truth[where])
        painting.mark(session, name, index, Status.DONE)
    save_session(session, tmp_path / "session")
    words = ["export", tmp_path / "session", "--as", "masks", "--out", tmp_path / "out"]
    status, printed, told = run([*words, "--json", "-"], monkeypatch, capsys)
    assert status == 0
    report = json.loads(printed)
    rest = len(record.status) - 2
    assert report["sources"] == {name: {"interpolation": rest}}
    assert f"{rest} slices from interpolation" in told
    mask = read_labels(tmp_path / "out" / f"{name}.nii.gz").data[0]
    assert np.array_equal(mask[5], sample.truth[5])
    between = (mask[7] > 0) & (sample.truth[7] > 0)
    assert between.sum() > 0.8 * (sample.truth[7] > 0).sum()


def test_what_is_missing_of_a_session_is_said(
    proposed: tuple[Session, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, folder = proposed
    (ink,) = folder.glob("work/*/ink")
    shutil.rmtree(ink)
    words = ["export", folder, "--as", "masks", "--out", tmp_path / "out"]
    status, out, err = run([*words, "--json", "-"], monkeypatch, capsys)
    assert status == 0
    (note,) = json.loads(out)["notes"]
    assert "some of its labels cannot be read" in note
    assert note in err


@pytest.mark.parametrize("name", ["dataset", "ome_zarr"])
def test_no_black_image_is_exported_in_place_of_a_missing_one(
    name: str,
    proposed: tuple[Session, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, folder = proposed
    shutil.rmtree(folder / "images")
    words = ["export", folder, "--as", name, "--out", tmp_path / "out"]
    status, _, err = run(words, monkeypatch, capsys)
    assert status == 2
    assert "there is none to export; put it back" in err
    assert not list((tmp_path / "out").rglob("*.*"))
    words = ["export", folder, "--as", "tables", "--out", tmp_path / "tables"]
    status, _, err = run(words, monkeypatch, capsys)
    assert status == 0, err
    rows = json.loads((tmp_path / "tables" / "tables.json").read_text())["classes"]
    assert all(row["mean image"] is None for row in rows)


@pytest.mark.parametrize("inside", [".", "rounds", "masks"])
def test_a_sessions_folder_is_no_place_for_exports(
    inside: str,
    proposed: tuple[Session, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, folder = proposed
    there = sorted(folder.rglob("*"))
    for words in (["export", folder, "--as", "dataset"], ["export-dataset", folder]):
        words += ["--out", folder / inside, "--overwrite"]
        status, _, err = run(words, monkeypatch, capsys)
        assert status == 2
        assert "lies in the session's folder" in err
    assert sorted(folder.rglob("*")) == there
