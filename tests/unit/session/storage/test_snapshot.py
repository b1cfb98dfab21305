"""Sessions saved in a folder and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.sources import FUSED
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Origin
from napari_contrastseg.session.volume_record import Proposal, mask_of
from tests.kit.rounds import a_model
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def test_everything_is_there_after_save_and_open(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    add_round(session, sample.truth)
    review.accept_slice(session, NAME, 8)
    review.reject_slice(session, NAME, 9)
    session.set_threshold(1, 0.7)
    folder = tmp_path / "session"
    for _ in range(2):  # a second save replaces the first
        save_session(session, folder)
    assert len(list((folder / "work").iterdir())) == 1
    back = load_session(folder)
    one, other = session.records[NAME], back.records[NAME]
    for name in ("ink", "origin", "status", "rejected"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.volume.data[0], other.volume.data[0])
    assert np.allclose(one.volume.affine, other.volume.affine)
    assert back.classes == session.classes
    assert back.threshold(1) == 0.7
    assert back.slices == session.slices
    assert [r.info for r in back.rounds] == [r.info for r in session.rounds]
    assert one.proposal is not None
    assert other.proposal is not None
    assert np.array_equal(one.proposal.prediction, other.proposal.prediction)
    assert np.array_equal(mask_of(one, complete=True), mask_of(other, complete=True))
    weights = session.rounds[0].model.network.state_dict()
    for key, value in back.rounds[0].model.network.state_dict().items():
        assert (value == weights[key]).all()


def test_a_round_joined_with_interpolation_and_its_accepted_ink_are_kept_so(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    sure = np.full(sample.truth.shape, 0.9, np.float16)
    proposal = Proposal(1, sample.truth.astype(np.uint8), sure, FUSED)
    info = RoundInfo(1, "recommended", 1, 1.0, joined=[NAME])
    session.add_round(Round(info, a_model(), Proposals({NAME: proposal})))
    review.accept_slice(session, NAME, 8)
    save_session(session, tmp_path / "session")
    back = load_session(tmp_path / "session").records[NAME]
    assert back.proposal is not None
    assert back.proposal.source_at(3).words == "round 1 with interpolation"
    assert set(np.unique(back.origin[8])) == {0, Origin.ACCEPTED_FUSED}


@pytest.mark.parametrize("what", ["cut", "foreign"])
def test_damaged_sessions_are_refused(
    session: Session, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "session"
    save_session(session, folder)
    index = folder / "session.json"
    text = index.read_text()
    if what == "cut":
        index.write_text(text[:50])
    else:
        index.unlink()
    with pytest.raises(InputError):
        load_session(folder)


def test_rounds_are_written_once_and_newer_weights_are_kept(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    add_round(session, sample.truth)
    session.add_weights(a_model())
    folder = tmp_path / "session"
    save_session(session, folder)
    (weights,) = folder.glob("rounds/*/model/weights.safetensors")
    before = weights.stat().st_mtime_ns
    add_round(session, sample.truth)
    session.add_weights(a_model())
    save_session(session, folder)
    assert weights.stat().st_mtime_ns == before
    back = load_session(folder)
    assert len(back.rounds) == 2
    assert back.rounds.start is not None
    assert back.rounds.weights is back.rounds.start


def test_a_folder_with_other_files_is_not_taken(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        save_session(session, tmp_path)
