"""Step Tools: uses editing tools on the shown slice, or on all in the background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import lengths
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.editing.neighbour import (
    copied_from_neighbour,
    labelled_neighbour,
)
from napari_contrastseg.session.editing.tools import (
    TOOLS,
    Asked,
    changes,
    on_slice,
    through_all,
)
from napari_contrastseg.session.painting import change_ink
from napari_contrastseg.session.places import Places
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.undo import packed
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.tools.paint_range import PaintRange
from napari_contrastseg.ui.tools.panel import BUTTONS, ToolsPanel, ToolsState
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.tools import Part, Tool
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.ui.workspace import Workspace

#: The one tool that is about the neighbours of a slice.
COPY: Final = "copy slice before"
#: Pixels of a slice from which on a tool works on it in the background.
LARGE: Final = 2**22
_PER_MM: Final = {"µm": 1e3}
#: Said where a tool found nothing to change, for what people mostly meant.
_NOTHING: Final = {
    "fill holes": "nothing to change; no outline of the class is closed here"
}


@dataclass(frozen=True, eq=False)
class _UnderWay:
    """A tool that is at work in the background.

    Attributes
    ----------
    index : int or None
        On one large slice; None: through all slices.
    """

    record: VolumeRecord
    tool: Tool
    asked: Asked
    index: int | None = None

    @property
    def words(self) -> str:
        """For people: "Smooth, all slices"."""
        where = "all slices" if self.index is None else f"slice {self.index}"
        return f"{self.tool.name.capitalize()}, {where}"


class _Found(NamedTuple):
    """What it would change: runs of voxels, and their values."""

    parts: list[tuple[Places, NDArray[np.uint8]]]


class ToolsController(QObject):
    """The intents of step Tools, for the volume and slice that are shown."""

    title = "Tools"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._said = ""
        self._said_on: int | None = None  # the slice alone that it is about
        self._under_way: _UnderWay | None = None
        self._sized: tuple[float, str] | None = None
        self.runner = LatestTask(self, awaited=True)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self.panel = ToolsPanel()
        self.panel.tool_requested.connect(self.use)
        self.range = PaintRange(workspace, self.panel)
        self.panel.cancel_requested.connect(self.cancel)
        workspace.slice_changed.connect(self._on_slice)
        workspace.work_changed.connect(self._on_work)
        workspace.labels_changed.connect(self._on_labels)
        workspace.session_closing.connect(self._forget)
        self.refresh()

    @property
    def keys(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        """Keys, what they do, and how."""
        return (
            ("U", "copy the labels of the slice before to this one", self._key(COPY)),
            ("H", "fill holes of the chosen class", self._key("fill holes")),
            ("Alt-M", "smooth the outlines of all classes", self._key("smooth")),
            ("K", "keep the largest piece", self._key("keep largest piece")),
            ("Shift-K", "remove small pieces", self._key("remove small pieces")),
            ("Alt-G", "grow the chosen class", self._key("grow")),
            ("Alt-E", "shrink the chosen class", self._key("shrink")),
            ("T", "paint only within a range of image values", self.range.toggle),
        )

    def _key(self, name: str) -> Callable[[], object]:
        return partial(self.use, name)

    @property
    def under_way(self) -> str:
        """What closing the window now would cut short."""
        if self._under_way is None:
            return ""
        return f"{self._under_way.tool.name.capitalize()} is still at work."

    def close(self) -> None:
        """End what is at work; labels stay as they are."""
        self._under_way = None
        self.range.close()
        self.runner.close()

    # -- what the panel shows ----------------------------------------------------

    def refresh(self) -> None:
        """Show the chosen class, and what can be done with it."""
        self._size_by_pixels()
        session, volume_id = self._workspace.session, self._workspace.active
        record = session.records.get(volume_id or "")
        name = session.class_name(self._workspace.paint_class)
        under_way = self._under_way
        self.panel.setState(
            ToolsState(
                class_words=f"Chosen class: {name}",
                why_not=self._why_not(record),
                unit=lengths(record.volume)[1] if record is not None else "mm",
                channel=self.range.channel_words(record),
                decimals=self.range.decimals(record),
                running=under_way.words if under_way is not None else "",
                said=self._said,
            )
        )

    def _why_not(self, record: VolumeRecord | None) -> dict[str, str]:
        """Say of each tool that cannot be used why not."""
        if record is None:
            return dict.fromkeys((*BUTTONS, "range"), "Add a volume first")
        found: dict[str, str] = {}
        in_hand = self._workspace.paint_class
        if in_hand == BACKGROUND:
            words = "Choose a class first: background is chosen"
            found = {name: words for name, tool in TOOLS.items() if tool.of_class}
            found["range"] = words
        elif any(c.id == in_hand and c.locked for c in self._workspace.session.classes):
            words = "The chosen class is locked; unlock it in step Data"
            found = {name: words for name, tool in TOOLS.items() if tool.of_class}
        index = self._workspace.current_slice
        if record.volume.kind == "stack":
            found[COPY] = "The slices are unrelated pictures"
        elif record.status[index] == Status.DONE:
            found[COPY] = "This slice is done"
        elif labelled_neighbour(record, index) is None:
            found[COPY] = "Neither the slice before nor the one after is labelled"
        return found

    def _on_slice(self) -> None:
        """Say no more what a tool did on another slice."""
        if self._said_on not in (None, self._workspace.current_slice):
            self._said, self._said_on = "", None
        self.refresh()

    def _on_labels(self) -> None:
        """Say no more what a tool did before the last change, or one that is undone."""
        if self._said:
            self._said, self._said_on = "", None
            self.refresh()

    def _size_by_pixels(self) -> None:
        """Begin with a distance of one pixel, where pixels have another size now."""
        record = self._workspace.session.records.get(self._workspace.active or "")
        if record is None:
            return
        sides, unit = lengths(record.volume)
        sized = float(np.delete(sides, record.axis).max()), unit
        if sized != self._sized:
            self._sized = sized
            hundredth = 10.0 ** (np.floor(np.log10(sized[0])) - 1)
            up = float(np.ceil(sized[0] / hundredth - 1e-6) * hundredth)
            self.panel.change(distance=up)

    # -- tools -------------------------------------------------------------------

    def use(self, name: str) -> None:
        """Use a tool on the shown slice, or begin to on all slices."""
        with notify_errors():
            volume_id = self._workspace.need_active()
            record = self._workspace.session.records[volume_id]
            why_not = self._why_not(record).get(name)
            if why_not is not None:
                raise InputError(f"{name.capitalize()}: {_sentence(why_not)}")
            if name == COPY:
                _, index = self._workspace.need_shown_slice()
                after = copied_from_neighbour(record, index)
                self._commit(record, [changes(record, index, after)], name)
                return
            tool, settings = TOOLS[name], self.panel.value()
            per_mm = _PER_MM.get(lengths(record.volume)[1], 1.0)
            asked = Asked(
                self._workspace.paint_class, settings.distance / per_mm, settings.size
            )
            if settings.through:
                self._begin(_UnderWay(record, tool, asked))
                return
            _, index = self._workspace.need_shown_slice()
            if record.ink[record.window(index)].size > LARGE:
                self._begin(_UnderWay(record, tool, asked, index))
            else:
                self._commit(record, [on_slice(record, index, tool, asked)], name)

    def cancel(self) -> None:
        """Leave all labels as they are."""
        if self._under_way is not None:
            self._under_way = None
            self.runner.cancel()
            self.refresh()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self.cancel()
        self._said = ""

    def _begin(self, under_way: _UnderWay) -> None:
        self._under_way, self._said = under_way, ""
        self.runner.start(_work(under_way))
        self.refresh()

    def _on_work(self, volume_id: str, _slices: object) -> None:
        """Begin again where labels changed under a tool that is at work."""
        under_way = self._under_way
        if under_way is not None and under_way.record.volume.id == volume_id:
            self.runner.start(_work(under_way))

    def _on_event(self, event: Progress | _Found) -> None:
        under_way = self._under_way
        if not isinstance(event, _Found) or under_way is None:
            return
        self._under_way = None  # what is written now is not to begin it again
        parts = ((places.flat(), values) for places, values in event.parts)
        with notify_errors(), busy_cursor():
            self._commit(under_way.record, parts, under_way.tool.name, aloud=True)
        self.refresh()

    def _on_ended(self, outcome: Outcome) -> None:
        self.runner.wait()
        if isinstance(outcome, Failed):
            self._under_way = None
            notify_error(outcome.message)
            self.refresh()

    def _commit(
        self,
        record: VolumeRecord,
        parts: Iterable[Part],
        name: str,
        *,
        aloud: bool = False,
    ) -> None:
        """Write what a tool found, one step of the history, and say how much it was."""
        session, volume_id = self._workspace.session, record.volume.id
        if session.records.get(volume_id) is not record:
            return
        changed = change_ink(session, volume_id, parts, name)
        nothing = _NOTHING.get(name, "nothing to change")
        words = f"{changed.words} changed" if changed.voxels else nothing
        self._said = f"{name.capitalize()}: {words}."
        self._said_on = None if aloud else self._workspace.current_slice
        self.refresh()
        if aloud or not changed.voxels:
            notify_info(self._said)


def _work(under_way: _UnderWay) -> Generator[Progress | _Found, None, None]:
    """Find what is to be changed; may be ended after each part."""
    record, tool, asked = under_way.record, under_way.tool, under_way.asked
    parts, index = [], under_way.index
    found = (
        through_all(record, tool, asked)
        if index is None
        else [on_slice(record, index, tool, asked)]
    )
    for flat, values in found:
        if len(flat):
            parts.append((Places.of(flat), packed(values)))
        yield Progress(tool.name, 0.0)
    yield _Found(parts)


def _sentence(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}."
