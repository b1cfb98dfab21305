"""Existing masks as ink: slices done, undo, and back with the numbers they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND, AnnotationClass
from napari_contrastseg.session.mask_values import AS_IGNORED, decide, examine
from napari_contrastseg.session.masks import known_classes, take_mask
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports import Output, export_named, options_of
from tests.kit.nifti import load
from tests.kit.sessions import NAME, SHAPE, a_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ATLAS = np.zeros(SHAPE, np.int32)
ATLAS[2, 2:5, 3:6] = 1021
ATLAS[3, 4:9, 3:6] = 70_000
ATLAS[5, 4:9, 3:6] = 7


def empty() -> Session:
    """A session as the window begins it: with a class that nobody has used."""
    made = Session()
    made.add_volume(phantom(0, SHAPE).volume)
    made.add_class()
    return made


def take(
    session: Session, labels: NDArray[Any], done: Any = "all", **about: Any
) -> None:
    values = examine(labels, known_classes(session), known=about.get("known")).values
    take_mask(session, NAME, labels, values, done=done, **about)


def test_an_atlas_comes_back_with_its_own_numbers(tmp_path: Path) -> None:
    session = empty()
    take(session, ATLAS)
    save_session(session, tmp_path / "s")
    again = load_session(tmp_path / "s")
    assert again.classes == session.classes
    assert sorted(c.original or c.id for c in again.classes) == [7, 1021, 70_000]
    for ending in (".nii.gz", ".tif"):
        masks = export_named("masks")
        options = options_of(masks, {"numbers": "original", "ending": ending})
        (path,) = masks.write(again, options, Output(tmp_path / "out"))
        if ending == ".tif":
            found = tifffile.imread(path)
        else:
            found = np.asarray(load(path).dataobj)
        assert np.array_equal(found, ATLAS), ending
    (own,) = export_named("masks").write(
        again, export_named("masks").options, Output(tmp_path / "own")
    )
    held = np.asarray(load(own).dataobj)
    assert set(np.unique(held)) == {0, *(c.id for c in again.classes)}


def test_3d_slicer_gets_the_numbers_that_the_mask_had(tmp_path: Path) -> None:
    session = empty()
    take(session, ATLAS)
    slicer = export_named("seg_nrrd")
    options = options_of(slicer, {"numbers": "original"})
    (path,) = slicer.write(session, options, Output(tmp_path))
    found = sitk.ReadImage(str(path))
    assert set(np.unique(sitk.GetArrayFromImage(found))) == set(np.unique(ATLAS))
    keys = {k: found.GetMetaData(k) for k in found.GetMetaDataKeys()}
    values = {v for k, v in keys.items() if k.endswith("_LabelValue")}
    assert values == {"7", "1021", "70000"}


def test_two_classes_of_one_number_are_not_written_as_one(tmp_path: Path) -> None:
    session = a_session(0)
    first = AnnotationClass(3, "tumour", "#ff0000", original=2)
    session.add_classes([first])
    masks = export_named("masks")
    options = options_of(masks, {"numbers": "original"})
    with pytest.raises(InputError, match="class 2 and tumour both had the number 2"):
        list(masks.write(session, options, Output(tmp_path)))


def test_the_number_of_a_mask_of_0_and_255_comes_back(tmp_path: Path) -> None:
    session = empty()
    labels = np.where(ATLAS > 0, 255, 0).astype(np.uint8)
    take(session, labels)
    assert [(c.id, c.name, c.original) for c in session.classes] == [
        (1, "class 1", 255)
    ]
    assert np.array_equal(session.records[NAME].ink, labels // 255)
    masks = export_named("masks")
    options = options_of(masks, {"numbers": "original", "ending": ".tif"})
    (path,) = masks.write(session, options, Output(tmp_path))
    assert np.array_equal(tifffile.imread(path), labels)


def test_classes_of_sessions_of_before_have_no_number_of_a_mask(tmp_path: Path) -> None:
    session = empty()
    save_session(session, tmp_path / "s")
    assert "original" not in (tmp_path / "s" / "session.json").read_text()


def test_slices_of_which_not_every_voxel_is_known_are_not_done() -> None:
    """What is outside of the mask, or ignored, does not become background."""
    session = a_session(0)
    record = session.records[NAME]
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:6, 3, 3:6] = 1
    known = np.ones(SHAPE, bool)
    known[:2] = False
    known[3, :, :4] = False
    take(session, labels, known=known)
    wanted = [Status.UNTOUCHED] * 2 + [Status.DONE, Status.SPARSE] + [Status.DONE] * 4
    assert record.status.tolist() == wanted
    truth = record.truth
    assert np.array_equal(truth[known], labels[known])
    assert (truth[~known] == -1).all()
    assert (record.ink[3] == BACKGROUND).any()
    session.undo()
    assert not record.ink.any()
    assert not record.status.any()


def test_only_slices_with_labels_are_settled_where_that_is_wanted() -> None:
    session = a_session(0)
    labels = np.where(ATLAS > 1000, 1, 0)
    take(session, labels, "labelled")
    assert np.flatnonzero(session.records[NAME].status == Status.DONE).tolist() == [
        2,
        3,
    ]


def test_what_was_painted_stays_where_the_mask_says_background() -> None:
    session = a_session(0)
    record = session.records[NAME]
    painted = np.zeros(SHAPE, bool)
    painted[4, 0, 0] = True
    painting.paint(session, NAME, painted, 2)
    known = np.ones(SHAPE, bool)
    known[4, 5] = False
    take(session, np.zeros(SHAPE, np.uint8), known=known)
    assert record.ink[4, 0, 0] == 2


def test_ignored_values_are_unknown() -> None:
    session = a_session(0)
    record = session.records[NAME]
    values = examine(ATLAS, known_classes(session)).values
    values = decide(values, {v.value for v in values} - {0}, AS_IGNORED)
    take_mask(session, NAME, ATLAS, values, done="all")
    assert (record.truth[ATLAS > 0] == -1).all()
    assert (record.truth[ATLAS == 0] == 0).all()


def test_a_mask_is_one_action_with_its_classes(tmp_path: Path) -> None:
    session = empty()
    before = session.classes
    take(session, ATLAS)
    after = session.classes
    assert session.undo() == "take mask"
    assert session.classes == before
    assert not session.records[NAME].ink.any()
    assert session.redo() == "take mask"
    assert session.classes == after
    save_session(session, tmp_path / "s")
    again = load_session(tmp_path / "s")
    assert again.undo() == "take mask"
    assert again.classes == before


def test_nothing_changes_where_all_slices_are_locked() -> None:
    session = empty()
    for index in range(SHAPE[0]):
        painting.lock_slice(session, NAME, index, locked=True)
    before = session.classes
    with pytest.raises(InputError, match="locked"):
        take(session, ATLAS)
    assert session.classes == before


def test_a_class_is_unused_until_it_is_named_painted_or_learned() -> None:
    session = empty()
    assert known_classes(session).unused == {1}
    session.in_training = frozenset({1})
    assert not known_classes(session).unused
    session.in_training = frozenset()
    where = np.zeros(SHAPE, bool)
    where[0, 0, 0] = True
    painting.paint(session, NAME, where, 1)
    assert not known_classes(session).unused
    session.undo()
    session.change_class(1, name="liver")
    assert not known_classes(session).unused


def test_a_number_in_training_is_not_given_to_another_class() -> None:
    session = a_session(0)
    session.change_class(1, name="liver")
    session.delete_class(2)
    session.in_training = frozenset({2})
    take(session, np.where(ATLAS > 0, 2, 0))
    ids = {c.id: c.original for c in session.classes}
    assert ids == {1: None, 3: 2}
