"""Cases in a session: closed ones are packed, and no work on them is lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.cohort import CaseLabels, Cohort, find_cohort, read_case
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.io.read_again import ReadAgain
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.case_note import CaseNote
from napari_contrastseg.session.cases import joined, take_case_labels
from napari_contrastseg.session.freeze import FrozenVolumes, labelled_slices
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.closed_images import read_later
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import WORK
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit import nifti
from tests.kit.rounds import add_round
from tests.kit.session_state import state_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (4, 6, 6)
NAMES = ["case 0", "case 1", "case 2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        image = np.asarray(phantom(number, SHAPE).volume.data[0])
        nifti.save(place / f"case {number}.nii.gz", image.T, np.eye(4))
    return place


@pytest.fixture
def session(folder: Path) -> Session:
    """The first case labelled on one slice."""
    made = Session()
    made.set_cohort(find_cohort(folder))
    made.add_class("core")
    open_first(made, "case 0")
    return made


def open_first(session: Session, name: str) -> None:
    assert session.cohort is not None
    case = session.cohort.case(name)
    assert case is not None
    session.add_volume(read_case(session.cohort, case))
    where = np.zeros(session.records[name].volume.shape, bool)
    where[1, 2:4, 2:4] = True
    painting.paint(session, name, where, 1)
    painting.mark(session, name, 1, Status.DONE)


def close(session: Session, name: str) -> None:
    later = read_later(session.records[name], lambda: session.cohort, lambda: None)
    session.close_volume(name, later)


def work_on(session: Session, name: str) -> dict[str, NDArray[np.uint8]]:
    record = session.all_records[name]
    return {array: record.array(array).copy() for array in WORK}


def test_a_closed_case_keeps_its_labels_packed_and_opens_as_it_was(
    session: Session,
) -> None:
    before, image = work_on(session, "case 0"), session.records["case 0"].volume.part(0)
    mark = session.fingerprint
    close(session, "case 0")
    assert not session.records
    record = session.closed["case 0"]
    assert "ink" not in vars(record)
    assert record.prediction.size == 0
    with pytest.raises(ValueError, match="read-only"):
        record.ink[0, 0, 0] = 1
    for array, values in before.items():
        assert np.array_equal(record.array(array), values)
    assert session.fingerprint == mark
    assert session.undo() is None, "its class stays"
    session.open_volume("case 0", [record.volume.part(0)])
    assert not session.closed
    for array, values in before.items():
        assert np.array_equal(session.records["case 0"].array(array), values)
    assert np.array_equal(session.records["case 0"].volume.part(0), image)
    where = np.zeros(SHAPE, bool)
    where[2] = True
    painting.paint(session, "case 0", where, 1)
    session.undo()
    assert np.array_equal(session.records["case 0"].ink, before["ink"])


def test_a_case_without_labels_leaves_nothing_when_it_is_closed(
    session: Session,
) -> None:
    open_first(session, "case 1")
    session.undo()
    session.undo()
    close(session, "case 1")
    assert "case 1" not in session.all_records


def test_training_learns_from_closed_cases_and_reads_them_when_needed(
    session: Session, folder: Path
) -> None:
    open_first(session, "case 1")
    image = session.records["case 0"].volume.part(0).copy()
    close(session, "case 0")
    assert labelled_slices(session) == 2
    moved = shutil.move(folder / "case 0.nii.gz", folder / "away.nii.gz")
    frozen = FrozenVolumes(session)  # reads nothing yet
    found = {entry.volume.id: entry for entry in frozen}
    assert set(found) == {"case 0", "case 1"}
    assert found["case 0"].target is not None
    assert (found["case 0"].target == 1).sum() == 4
    with pytest.raises(InputError, match="case 0"):
        found["case 0"].volume.slice(0, 1)
    shutil.move(moved, folder / "case 0.nii.gz")
    assert np.array_equal(found["case 0"].volume.slice(0, 1)[0], image[1])
    assert "ink" not in vars(session.closed["case 0"]), "the session's stays packed"
    assert [v.volume.id for v in FrozenVolumes(session, closed=False)] == ["case 1"]


def test_masks_of_closed_cases_are_exported(session: Session, tmp_path: Path) -> None:
    open_first(session, "case 1")
    close(session, "case 0")
    export = export_named("masks")
    written = list(export.write(session, export.options, Output(tmp_path / "masks")))
    assert sorted(path.name for path in written) == ["case 0.nii.gz", "case 1.nii.gz"]
    mask = read_labels(tmp_path / "masks" / "case 0.nii.gz")
    assert (np.asarray(mask.data[0]) == 1).sum() == 4


def test_another_image_in_a_closed_cases_place_is_refused(
    session: Session, folder: Path
) -> None:
    close(session, "case 0")
    nifti.save(folder / "case 0.nii.gz", np.ones((3, 3, 3)), np.eye(4))
    with pytest.raises(InputError, match="another image by now"):
        session.closed["case 0"].volume.part(0)


def test_a_class_painted_in_a_closed_case_is_not_deleted(session: Session) -> None:
    close(session, "case 0")
    with pytest.raises(InputError, match="4 painted voxels"):
        session.delete_class(1)


def test_a_list_without_a_labelled_case_is_refused(
    session: Session, tmp_path: Path
) -> None:
    close(session, "case 0")
    other = Cohort(tmp_path, (Case("another", (tmp_path / "a.nii",), None),))
    with pytest.raises(InputError, match="case 0: has labels"):
        session.set_cohort(joined(session, other))
    assert session.cohort is not None
    assert session.cohort.case("case 2") is not None


def test_cases_listed_again_keep_their_ids_and_notes(
    session: Session, folder: Path
) -> None:
    session.add_volume(replace(phantom(5, SHAPE).volume, id="case 3"))
    session.note_case("case 0", CaseNote(done=True))
    close(session, "case 0")
    shutil.copy(folder / "case 2.nii.gz", folder / "case 3.nii.gz")
    session.set_cohort(joined(session, find_cohort(folder)))
    assert session.cohort is not None
    names = [case.id for case in session.cohort.cases]
    assert names[:3] == NAMES
    assert names[3] not in (*names[:3], "case 3"), "a volume has that name"
    assert session.case_notes == {"case 0": CaseNote(done=True)}


def test_cases_of_another_folder_take_over_nothing_from_those_of_the_same_name(
    session: Session, tmp_path: Path
) -> None:
    session.note_case("case 0", CaseNote(done=True))
    session.add_volume(replace(phantom(5, SHAPE).volume, id="case 1"))
    add_round(session, np.ones(SHAPE, np.uint8))
    session.remove_volume("case 1")
    session.add_volume(replace(phantom(5, SHAPE).volume, id="case 2"))
    other = [(f"case {n}", (tmp_path / f"other/case {n}.nii",)) for n in range(4)]
    cases = tuple(Case(name, images, None) for name, images in other)
    session.set_cohort(joined(session, Cohort(tmp_path / "other", cases)))
    assert session.cohort is not None
    names = [case.id for case in session.cohort.cases]
    assert names == ["case 0 (2)", "case 1 (2)", "case 2 (2)", "case 3"]
    assert not session.case_notes


def test_cases_of_a_folder_that_was_moved_are_the_same_cases(
    session: Session, folder: Path
) -> None:
    session.note_case("case 1", CaseNote(done=True))
    close(session, "case 0")
    moved = folder.rename(folder.with_name("elsewhere"))
    session.set_cohort(joined(session, find_cohort(moved)))
    assert session.cohort is not None
    assert session.cohort.root == moved
    assert [case.id for case in session.cohort.cases] == NAMES
    assert session.case_notes == {"case 1": CaseNote(done=True)}
    assert np.asarray(session.closed["case 0"].volume.data[0]).any(), "it is read there"


@pytest.mark.parametrize("closed_well", [True, False])
def test_cases_come_back_from_the_folder_as_they_were(
    session: Session, tmp_path: Path, closed_well: bool
) -> None:
    place = tmp_path / "kept"
    autosave = Autosave(session, place, print)
    open_first(session, "case 1")
    session.note_case("case 1", CaseNote(done=True, round=1, dice=0.5))
    close(session, "case 0")
    close(session, "case 1")
    volume = session.closed["case 1"].volume
    session.open_volume("case 1", [volume.part(0)])
    assert autosave.flush(30)
    if closed_well:
        autosave.close()
    else:  # as a kill leaves it
        place = Path(shutil.copytree(place, tmp_path / "killed"))
    again = load_session(place)
    assert state_of(again) == state_of(session)
    assert isinstance(again.closed["case 0"].volume.data[0], ReadAgain)
    assert isinstance(again.records["case 1"].volume.data[0], np.ndarray)
    assert np.array_equal(again.records["case 1"].volume.part(0), volume.part(0))
    for key in again.closed["case 0"].stored:  # its image was never asked for
        shutil.rmtree(place / "images" / key / "c")
    assert "case 0" in load_session(place).closed
    autosave.close()


def test_five_hundred_cases_are_kept_as_names_alone(tmp_path: Path) -> None:
    images = [(tmp_path / f"{n}.nii.gz",) for n in range(500)]
    session = Session()
    session.add_volume(replace(phantom(1, SHAPE).volume, id="one"))
    autosave = Autosave(session, tmp_path / "kept", print)
    cases = tuple(Case(str(n), image, None) for n, image in enumerate(images))
    session.set_cohort(Cohort(tmp_path, cases))
    assert autosave.flush(30)
    again = load_session(tmp_path / "kept")
    assert again.cohort == session.cohort
    assert list(again.records) == ["one"]
    autosave.close()


def test_labels_of_a_file_become_ink_in_one_step(session: Session) -> None:
    open_first(session, "case 1")
    truth = np.zeros(SHAPE, np.int16)
    truth[2, 3, 3], truth[3, 0, 0] = 2, -1
    take_case_labels(session, "case 1", CaseLabels(truth, {1: "core", 2: "shell"}))
    record = session.records["case 1"]
    assert record.ink[2, 3, 3] == 2
    assert record.status[2] == Status.DONE
    assert record.status[3] != Status.DONE, "one of its voxels is unknown"
    assert [c.name for c in session.classes] == ["core", "shell"]
    session.undo()
    assert [c.name for c in session.classes] == ["core"]
    with pytest.raises(InputError, match="calls class 1 'liver'"):
        take_case_labels(session, "case 1", CaseLabels(truth, {1: "liver"}))
