"""Cases of a cohort in a session: their ids, and the labels that their files hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name
from napari_contrastseg.session.classes import PALETTE, AnnotationClass
from napari_contrastseg.session.mask_ink import write_ink
from napari_contrastseg.session.written_mask import WrittenMask, settle_mask

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.io.cohort import CaseLabels
    from napari_contrastseg.session.session import Session


def joined(session: Session, found: Cohort) -> Cohort:
    """Give cases ids that no other volume or case has; those known keep theirs.

    Known are those of the same files, and those of a folder that was moved.
    """
    before = session.cohort.cases if session.cohort is not None else ()
    mine = {case.images: case.id for case in before} | _moved(session.cohort, found)
    kept = {c.images: mine[c.images] for c in found.cases if c.images in mine}
    taken = {name for r in session.rounds for name in r.proposals}
    taken |= {*session.all_records, *session.case_notes, *kept.values()}
    cases = []
    for case in found.cases:
        name = kept.get(case.images)
        if name is None:
            name = free_name(case.id, taken.__contains__)
            taken.add(name)
        cases.append(replace(case, id=name))
    return Cohort(found.root, tuple(cases))


def is_moved(before: Cohort | None, found: Cohort) -> bool:
    """Whether cases that were found are known from a folder that is gone."""
    known = _moved(before, found)
    return any(case.images in known for case in found.cases)


def _moved(before: Cohort | None, found: Cohort) -> dict[tuple[Path, ...], str]:
    """Give ids of cases by where their files would be, were their folder moved.

    Of none where the folder is still there: cases of two folders may be named alike.
    """
    if before is None or before.root.exists():
        return {}
    old, new = before.root, found.root
    return {
        tuple(new / path.relative_to(old) for path in case.images): case.id
        for case in before.cases
        if all(path.is_relative_to(old) for path in case.images)
    }


def take_case_labels(session: Session, volume_id: str, labels: CaseLabels) -> None:
    """Take the labels of a case's file as ink; a step of the history.

    Raises
    ------
    InputError
        A number means one class in the data set and another one here.
    """
    written = write_case_labels(session, volume_id, labels)
    if written is not None:
        settle_mask(session, written)


def write_case_labels(
    session: Session, volume_id: str, labels: CaseLabels
) -> WrittenMask | None:
    """Write labels as `take_case_labels`, so that a thread may do it; None: of none."""
    names = {c.id: c.name for c in session.classes}
    for number, name in labels.classes.items():
        mine = names.get(number, name)
        if mine not in (name, f"class {number}"):
            raise InputError(
                f"{volume_id}: its labels were not taken, because the data set calls "
                f"class {number} {name!r} and here it is {mine!r}; rename yours and "
                "take them as a mask."
            )
    if not (labels.truth >= 0).any():
        return None
    new = [
        AnnotationClass(number, name, PALETTE[(number - 1) % len(PALETTE)])
        for number, name in sorted(labels.classes.items())
        if names.get(number) != name
    ]
    coming = [c.id for c in new]
    edits = write_ink(session, volume_id, labels.truth, done="all", coming=coming)
    return WrittenMask("take labels", volume_id, tuple(new), tuple(edits))
