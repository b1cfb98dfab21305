"""What the list of cases shows: one row a case, and how far the cohort is. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_contrastseg.session.session import Session


class CaseStatus(Enum):
    """How far a case is; in the order of a sorted list."""

    OPEN = "open"
    UNTOUCHED = "untouched"
    LABELLED = "labelled"
    DONE = "done"


#: What each status means.
WORDS = {
    CaseStatus.OPEN: "open: it is loaded, and its layers are in the viewer",
    CaseStatus.UNTOUCHED: "untouched: nobody labelled it yet",
    CaseStatus.LABELLED: "labelled: it has labels and is closed",
    CaseStatus.DONE: "done: you are done with it",
}


@dataclass(frozen=True)
class CaseRow:
    """One case.

    Attributes
    ----------
    dice : float or None
        Foreground Dice to expect.
    predicted : int or None
        Round whose network predicted it.
    failed : str
        Why it could not be predicted; ``""`` where it could.
    """

    id: str
    status: CaseStatus = CaseStatus.UNTOUCHED
    dice: float | None = None
    predicted: int | None = None
    failed: str = ""


@dataclass(frozen=True)
class CohortState:
    """What the panel shows.

    Attributes
    ----------
    rows : tuple of CaseRow
    active : str or None
        Case that is worked on.
    done : bool
        Whether it is done.
    open : frozenset of case id
    why_not : str or None
        Why cases cannot be predicted now.
    progress : float or None
        Of a prediction that runs.
    note : str
        How the last prediction ended.
    """

    rows: tuple[CaseRow, ...] = ()
    active: str | None = None
    done: bool = False
    open: frozenset[str] = frozenset()
    why_not: str | None = None
    progress: float | None = None
    note: str = ""

    @property
    def summary(self) -> str:
        """Say in a few words how far the cohort is."""
        counts = {s: sum(r.status is s for r in self.rows) for s in CaseStatus}
        words = [f"{counts[CaseStatus.DONE]} of {plural(len(self.rows), 'case')} done"]
        further = (CaseStatus.LABELLED, CaseStatus.OPEN)
        words += [f"{counts[s]} {s.value}" for s in further if counts[s]]
        return ", ".join(words)


def rows_of(session: Session, failed: Mapping[str, str]) -> tuple[CaseRow, ...]:
    """Say of each case of a session's cohort how far it is; reads no image."""
    if session.cohort is None:
        return ()
    rows = []
    for case in session.cohort.cases:
        note = session.case_notes.get(case.id)
        if note is not None and note.done:
            status = CaseStatus.DONE
        elif case.id in session.records:
            status = CaseStatus.OPEN
        elif case.id in session.closed or case.label is not None:
            status = CaseStatus.LABELLED
        else:
            status = CaseStatus.UNTOUCHED
        dice, number = (note.dice, note.round) if note is not None else (None, None)
        rows.append(CaseRow(case.id, status, dice, number, failed.get(case.id, "")))
    return tuple(rows)


def next_case(state: CohortState, order: tuple[str, ...], *, worst: bool) -> str | None:
    """Choose the case that comes next: not done, not open, as the list is sorted.

    Parameters
    ----------
    order : tuple of case id
        As the list shows them.
    worst : bool
        Whether the list begins with the worst: then from its top, else from behind the
        active case, and round.
    """
    rows = {row.id: row for row in state.rows}
    here = order.index(state.active) + 1 if state.active in order else 0
    ahead = order if worst else order[here:] + order[:here]
    for name in ahead:
        if name not in state.open and rows[name].status is not CaseStatus.DONE:
            return name
    return None
