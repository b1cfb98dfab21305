"""The Python API: the same loop as in the window, in a script."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import napari_contrastseg as cs
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Status
from tests.kit.nifti import save
from tests.kit.nrrd_segments import with_segments

SHAPE = (12, 24, 24)
#: Takes what type checkers forbid.
loose: Any = cs
#: A little training, and no more.
SHORT: dict[str, Any] = {"recipe": "supervised", "steps": 2, "device": "cpu"}


@pytest.fixture
def labelled() -> tuple[cs.Session, np.ndarray]:
    """A session with three slices labelled, and the truth of its image."""
    sample = phantom(0, SHAPE)
    scan = cs.image(np.asarray(sample.volume.data[0]), name="scan", spacing=(2, 1, 1))
    session = cs.new_session([scan], ["core", "shell"])
    cs.label(session, "scan", sample.truth, [2, 6, 9])
    return session, sample.truth


def test_from_an_image_to_masks(
    labelled: tuple[cs.Session, np.ndarray], tmp_path: Path
) -> None:
    session, truth = labelled
    record = session.records["scan"]
    assert np.flatnonzero(record.status == Status.DONE).tolist() == [2, 6, 9]
    assert np.array_equal(cs.mask(session, "scan", complete=False)[6], truth[6])
    cs.propose(session)
    assert cs.mask(session, "scan")[4].any(), "nothing is interpolated"
    assert not cs.mask(session, "scan", complete=False)[4].any()
    proposed = cs.mask(session, "scan")[4]
    assert cs.accept(session, "scan", [4]) > 0
    assert np.array_equal(cs.mask(session, "scan", complete=False)[4], proposed)
    stages: list[Any] = []
    assert cs.train(session, **SHORT, report=stages.append) is None
    assert stages
    assert len(session.rounds) == 1
    (file,) = cs.export(session, "masks", tmp_path, complete=True)
    written: Any = nib.load(file)
    # the file holds the array in its own order, the affine says where it lies
    assert np.array_equal(np.asarray(written.dataobj), cs.mask(session, "scan"))
    assert nib.affines.voxel_sizes(written.affine).tolist() == [2, 1, 1]
    assert session.undo() is not None, "rounds are steps of the history"


def test_what_is_missing_of_a_session_is_a_warning(
    labelled: tuple[cs.Session, np.ndarray], tmp_path: Path
) -> None:
    session, _ = labelled
    cs.save_session(session, tmp_path)
    shutil.rmtree(tmp_path / "images")
    with pytest.warns(UserWarning, match="its labels are here, but not its image"):
        cs.open_session(tmp_path)


def test_the_score_is_dice_over_known_voxels(
    labelled: tuple[cs.Session, np.ndarray],
) -> None:
    session, truth = labelled
    cs.propose(session)
    wanted = truth.astype(np.int16)
    wanted[0] = -1
    mine, theirs = cs.mask(session, "scan")[1:], truth[1:]
    by_hand = {
        name: 2
        * np.logical_and(mine == k, theirs == k).sum()
        / ((mine == k).sum() + (theirs == k).sum())
        for k, name in ((1, "core"), (2, "shell"))
    }
    assert cs.score(session, "scan", wanted) == pytest.approx(by_hand, abs=1e-12)


def test_a_saved_session_opens_with_all_that_was_done(
    labelled: tuple[cs.Session, np.ndarray], tmp_path: Path
) -> None:
    session, _ = labelled
    cs.save_session(session, tmp_path / "session")
    again = cs.open_session(tmp_path / "session")
    assert again.fingerprint == session.fingerprint


def test_a_trained_model_predicts_files(
    labelled: tuple[cs.Session, np.ndarray], tmp_path: Path
) -> None:
    session, _ = labelled
    cs.train(session, **SHORT)
    cs.export(session, "model", tmp_path / "model")
    scan = np.asarray(session.records["scan"].volume.data[0])
    nib.save(nib.Nifti1Image(scan.T, np.diag([1, 1, 2, 1])), tmp_path / "new.nii.gz")
    (model,) = {p.parent for p in (tmp_path / "model").rglob("model.json")}
    (file,) = cs.predict(model, tmp_path / "new.nii.gz", tmp_path / "out", device="cpu")
    written: Any = nib.load(file)
    assert written.shape == scan.T.shape


def test_a_mask_file_must_lie_on_the_grid_of_the_image(tmp_path: Path) -> None:
    scan, mask = tmp_path / "scan.nii.gz", tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((9, 8, 7), np.float32), np.eye(4)), scan)
    moved = np.eye(4)
    moved[0, 3] = 30
    nib.save(nib.Nifti1Image(np.ones((9, 8, 7), np.uint8), moved), mask)
    session = cs.new_session([scan], ["all"])
    with pytest.raises(cs.InputError, match="mask"):
        cs.label(session, "scan", mask)
    nib.save(nib.Nifti1Image(np.ones((9, 8, 7), np.uint8), np.eye(4)), mask)
    cs.label(session, "scan", mask)
    assert cs.mask(session, "scan").all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda s, t: cs.label(s, "scam", t), "no image 'scam'; there is scan"),
        (lambda s, t: cs.label(s, "scan", t, [12]), "slices 0 to 11, not 12"),
        (lambda s, t: cs.label(s, "scan", t[1:]), "has shape"),
        (lambda s, t: cs.label(s, "scan", t + 0.5), "whole numbers"),
        (lambda s, t: cs.score(s, "scan", t[1:]), "has shape"),
        (lambda s, t: cs.train(s, "nonsense"), "nonsense"),
        (lambda s, t: cs.train(s, settings={"nonsense": 1}), "nonsense"),
        (lambda s, t: cs.export(s, "nonsense", "x"), "nonsense"),
        (lambda s, t: cs.accept(s, "scan", [1]), "no proposal"),
        (lambda s, t: cs.image(np.zeros((2, 3))), "an axis of length one in front"),
        (lambda s, t: cs.image(np.zeros((2, 3, 4)), spacing=(1, 0, 1)), "above 0"),
        (lambda s, t: cs.new_session(axis=3), "choose 0, 1 or 2"),
        (lambda s, t: loose.new_session(axis=True), "choose 0, 1 or 2"),
        (lambda s, t: loose.new_session(3), "give a list"),
        (lambda s, t: loose.new_session(classes=[3]), "is not a name"),
        (lambda s, t: loose.image([[1, 2], [3]]), "is not an array"),
        (lambda s, t: loose.image(t.astype(str)), "not real numbers"),
        (lambda s, t: loose.image(t * 1j), "not real numbers"),
        (lambda s, t: loose.image(t, spacing="abc"), "above 0"),
        (lambda s, t: loose.image(t, name=3), "give a text"),
        (lambda s, t: loose.label(s, ["scan"], t), "no image"),
        (lambda s, t: loose.label(s, "scan", t * np.nan), "whole numbers"),
        (lambda s, t: loose.label(s, "scan", t * 10.0**30), "too large"),
        (lambda s, t: loose.label(s, "scan", np.full(SHAPE, 2**64 - 1)), "too large"),
        (lambda s, t: loose.label(s, "scan", t * 255), "255, which no class has"),
        (lambda s, t: loose.label(s, "scan", t, 3), "give a list"),
        (lambda s, t: loose.label(s, "scan", t, [2.5]), "2.5 is not the number"),
        (lambda s, t: loose.label(s, "scan", t, np.ones(12, bool)), "not the number"),
        (lambda s, t: loose.label(s, "scan", t, [-1]), "slices 0 to 11, not -1"),
        (lambda s, t: loose.accept(s, "scan", "34"), "give a list"),
        (lambda s, t: loose.score(s, "scan", t - 2.0), "-2, which no class has"),
        (lambda s, t: loose.train(s, device="gpu"), "choose one of auto, cpu, cuda"),
        (lambda s, t: loose.predict("m", "i", "o", device="gpu"), "choose one of auto"),
        (lambda s, t: loose.train(s, steps=0), "whole number from 1"),
        (lambda s, t: loose.train(s, steps="2"), "whole number from 1"),
        (lambda s, t: loose.train(s, minutes=-1), "above 0"),
        (lambda s, t: loose.train(s, minutes=float("nan")), "above 0"),
        (lambda s, t: loose.train(s, steps=2, minutes=1), "not both"),
        (lambda s, t: loose.train(s, seed=-1), "seed is -1"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(
    labelled: tuple[cs.Session, np.ndarray], wrong: Any, said: str
) -> None:
    session, truth = labelled
    before = session.fingerprint
    with pytest.raises(cs.InputError, match=said):
        wrong(session, truth)
    assert session.fingerprint == before


def test_slices_are_accepted_together_or_not_at_all(
    labelled: tuple[cs.Session, np.ndarray],
) -> None:
    session, _ = labelled
    cs.propose(session)
    before = session.fingerprint
    with pytest.raises(cs.InputError, match="2 is done"):
        cs.accept(session, "scan", [3, 2])
    assert session.fingerprint == before
    assert cs.accept(session, "scan", [4, np.int64(4), 5]) > 0
    assert session.undo() == "accept slices"
    assert session.fingerprint == before


def test_labels_may_be_whole_numbers_in_floats_or_white() -> None:
    truth = phantom(0, SHAPE).truth > 0
    for white in (truth, truth.astype(float), truth * 255):
        session = cs.new_session(cs.image(truth, name="scan"), "all")
        cs.label(session, "scan", white)
        assert np.array_equal(cs.mask(session, "scan"), truth)
        assert cs.score(session, "scan", white) == {"all": 1.0}


def test_classes_that_a_mask_names_are_found_by_name(tmp_path: Path) -> None:
    """By number, one class would be labelled as the other without a word."""
    truth = phantom(0, SHAPE).truth.astype(np.uint8)
    plain = save(tmp_path / "plain.nii", truth, np.eye(4))
    session = cs.new_session(plain, ["core", "shell"])
    mask = with_segments(plain, tmp_path / "m.nrrd", {1: "Shell", 2: "core"})
    cs.label(session, "plain", mask)
    volume = session.records["plain"].volume
    found = volume.source.to_file_order(cs.mask(session, "plain"))
    assert np.array_equal(found, np.array([0, 2, 1], np.uint8)[truth])
    with_segments(plain, mask, {1: "liver", 2: "shell"})
    with pytest.raises(InputError, match="value 1 'liver', but this session calls it"):
        cs.label(session, "plain", mask)
    with_segments(plain, mask, {1: "shell", 2: "liver"})
    with pytest.raises(InputError, match=r"holds 'liver' \(label 2\), which is not"):
        cs.label(session, "plain", mask)
    with_segments(plain, mask, {1: "Segment_1"})
    cs.label(session, "plain", mask)
    found = volume.source.to_file_order(cs.mask(session, "plain"))
    assert np.array_equal(found, truth)


def test_one_image_and_one_class_need_no_list(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((9, 8, 7)), np.eye(4)), tmp_path / "scan.nii")
    session = cs.new_session(str(tmp_path / "scan.nii"), "atrium", axis=np.int64(1))
    assert [*session.records] == ["scan"]
    assert [c.name for c in session.classes] == ["atrium"]
    assert type(session.slices.number) is int, "it is written as JSON"


def test_settings_are_given_as_values_of_python(
    labelled: tuple[cs.Session, np.ndarray],
) -> None:
    session, _ = labelled
    settings = {"pixels": None, "network": {"attention": True}}
    assert cs.train(session, **SHORT, settings=settings) is None


def test_the_import_loads_neither_napari_nor_torch() -> None:
    code = (
        "import sys, napari_contrastseg as cs; dir(cs); "
        "sys.exit(any(m in sys.modules for m in ('napari', 'torch', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_root_names_what_the_api_has() -> None:
    from napari_contrastseg import api

    assert {*cs.__all__} - {"__version__"} == {*api.__all__}
    assert all(getattr(cs, name) is getattr(api, name) for name in api.__all__)


def test_the_example_of_the_docs_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "python.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    z, y, x = np.mgrid[:70, :16, :16]
    ball = (z - 40) ** 2 / 9 + (y - 8) ** 2 + (x - 8) ** 2 < 36
    affine = np.diag([1.0, 1, 2, 1])
    noisy = ball + np.random.default_rng(0).normal(0, 0.1, ball.shape)
    monkeypatch.chdir(tmp_path)
    nib.save(nib.Nifti1Image(noisy.T.astype(np.float32), affine), "scan.nii.gz")
    nib.save(nib.Nifti1Image(ball.T.astype(np.uint8), affine), "labels.nii.gz")
    exec(code.replace("minutes=2", "recipe='supervised', steps=2"), {})
    written: Any = nib.load("out/scan.nii.gz")
    overlap = np.asarray(written.dataobj).T.astype(bool) & ball
    assert overlap[40].sum() == ball[40].sum(), "a labelled slice is as it was labelled"
    assert cs.open_session("session").records["scan"].status[30] == Status.DONE
