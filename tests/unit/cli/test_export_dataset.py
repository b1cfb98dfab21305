"""export-dataset on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from tests.kit.command_line import here


def session_of(folder: Path, *numbers: int) -> Path:
    """A saved session of phantoms, a slice of each done."""
    session = Session()
    session.add_class("core")
    session.add_class("shell")
    for sample in map(phantom, numbers):
        session.add_volume(sample.volume)
        where = np.zeros(sample.truth.shape, bool)
        where[8] = sample.truth[8] > 0
        painting.paint(session, sample.volume.id, where, sample.truth[where])
        painting.mark(session, sample.volume.id, 8, Status.DONE)
    save_session(session, folder)
    return folder


def names(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


def test_export_dataset(tmp_path: Path) -> None:
    sample = phantom(0)
    session_of(tmp_path / "session", 0)
    done = here(
        "export-dataset", tmp_path / "session", "--out", tmp_path / "set", "--json", "-"
    )
    assert done.status == 0, done.err
    written = read_dataset(tmp_path / "set")
    assert written.ignore == 3
    label: Any = nib.load(written.cases[0].label or "")
    values = np.asarray(label.dataobj)
    assert np.array_equal(values[8], sample.truth[8])
    assert (np.delete(values, 8, axis=0) == 3).all()


def test_overwriting_leaves_no_case_of_before(tmp_path: Path) -> None:
    """Else a training set would have cases that are not in the session."""
    out = tmp_path / "set"
    first, second = session_of(tmp_path / "a", 0, 1), session_of(tmp_path / "b", 1)
    assert here("export-dataset", first, "--out", out).status == 0
    (out / "README.txt").write_text("mine")
    (out / "imagesTs").mkdir()
    (out / "imagesTs" / "t_0000.nii.gz").write_text("mine")
    done = here("export-dataset", second, "--out", out, "--overwrite", "--json", "-")
    assert done.status == 0, done.err
    assert [case.id for case in read_dataset(out).cases] == ["phantom_001"]
    assert names(out) == {
        "README.txt",
        "imagesTs/t_0000.nii.gz",
        "dataset.json",
        "exported.json",
        "imagesTr/phantom_001_0000.nii.gz",
        "labelsTr/phantom_001.nii.gz",
    }
    assert "deleted 2 files of an earlier export" in done.err
    assert {Path(file).name for file in json.loads(done.out)["deleted"]} == {
        "phantom_000_0000.nii.gz",
        "phantom_000.nii.gz",
    }


@pytest.mark.parametrize(
    "name", ["imagesTr/other_0000.nii.gz", "labelsTr/other.nii.gz", "dataset.json"]
)
def test_what_no_export_wrote_is_neither_replaced_nor_mixed(
    tmp_path: Path, name: str
) -> None:
    mine = tmp_path / "set" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    words = ("export-dataset", session_of(tmp_path / "s", 0), "--out", tmp_path / "set")
    said = here(*words, "--overwrite")
    assert said.status == 2
    assert said.err.startswith(f"contrastseg: {mine}: was not written by an export")
    assert names(tmp_path / "set") == {name}
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("case", ["phantom_000", "phantom_001"])
def test_what_a_person_changed_is_kept(tmp_path: Path, case: str) -> None:
    """Be it of a case that is not in the session, or of one that is."""
    out = tmp_path / "set"
    assert here("export-dataset", session_of(tmp_path / "a", 0, 1), "--out", out)
    label = out / "labelsTr" / f"{case}.nii.gz"
    label.write_bytes(label.read_bytes() + b"corrected")
    before = names(out)
    words = ("export-dataset", session_of(tmp_path / "b", 1), "--out", out)
    said = here(*words, "--overwrite")
    assert said.status == 2
    assert f"{label}: was changed since it was exported, so it is not" in said.err
    assert names(out) == before


def test_a_record_names_nothing_outside_the_data_set(tmp_path: Path) -> None:
    out, mine = tmp_path / "set", tmp_path / "mine.txt"
    mine.write_text("mine")
    out.mkdir()
    files = dict.fromkeys(["../mine.txt", str(mine), "imagesTr/../../mine.txt"], "")
    (out / "exported.json").write_text(json.dumps({"files": files}))
    words = ("export-dataset", session_of(tmp_path / "s", 0), "--out", out)
    assert here(*words, "--overwrite").status == 0
    assert mine.read_text() == "mine"


def test_an_interrupted_export_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has written is known; and no dataset.json makes a mixture look whole."""
    out = tmp_path / "set"
    words = ("export-dataset", session_of(tmp_path / "s", 0, 1), "--out", out)
    assert here(*words).status == 0

    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("napari_contrastseg.io.dataset.write_mask", stop)
        assert here(*words, "--overwrite").status == 130
    assert not (out / "dataset.json").exists()
    assert here(*words, "--overwrite").status == 0
    assert len(read_dataset(out).cases) == 2


def test_the_sessions_own_images_are_not_replaced(tmp_path: Path) -> None:
    first, out = session_of(tmp_path / "a", 0), tmp_path / "set"
    assert here("export-dataset", first, "--out", out).status == 0
    session = Session()
    session.add_volume(read_volume(out / "imagesTr" / "phantom_000_0000.nii.gz"))
    session.add_class("core")
    save_session(session, tmp_path / "b")
    before = names(out)
    said = here("export-dataset", tmp_path / "b", "--out", out, "--overwrite")
    assert said.status == 2
    assert "holds images of the session" in said.err
    assert names(out) == before
