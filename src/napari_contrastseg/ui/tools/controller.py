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
from napari_contrastseg.session.editing.value_range import ValueRange, suggested_range
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
_PER_MM: Final = {"µm": 1e3}


@dataclass(frozen=True, eq=False)
class _UnderWay:
    """A tool that is at work through all slices."""

    record: VolumeRecord
    tool: Tool
    asked: Asked


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
        self._under_way: _UnderWay | None = None
        self._sized: tuple[float, str] | None = None
        self.runner = LatestTask(self, awaited=True)
        self.runner.event.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self.panel = ToolsPanel()
        self.panel.tool_requested.connect(self.use)
        self.panel.suggest_requested.connect(self.suggest_range)
        self.panel.cancel_requested.connect(self.cancel)
        self.panel.range_changed.connect(self._hold_strokes)
        workspace.slice_changed.connect(self.refresh)
        workspace.work_changed.connect(self._on_work)
        workspace.session_closing.connect(self._forget)
        self.refresh()

    @property
    def keys(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        """Keys, what they do, and how."""
        return (
            ("U", "copy the labels of the slice before to this one", self._key(COPY)),
            ("H", "fill holes of the class in hand", self._key("fill holes")),
            ("Alt-M", "smooth the outlines of all classes", self._key("smooth")),
            ("K", "keep the largest piece", self._key("keep largest piece")),
            ("Shift-K", "remove small pieces", self._key("remove small pieces")),
            ("Alt-G", "grow the class in hand", self._key("grow")),
            ("Alt-E", "shrink the class in hand", self._key("shrink")),
            ("T", "paint only within a range of image values", self.toggle_range),
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
        self._workspace.strokes.paintable = None
        self.runner.close()

    # -- what the panel shows ----------------------------------------------------

    def refresh(self) -> None:
        """Show the class in hand, and what can be done with it."""
        self._size_by_pixels()
        session, volume_id = self._workspace.session, self._workspace.active
        record = session.records.get(volume_id or "")
        name = session.class_name(self._workspace.paint_class)
        under_way = self._under_way
        self.panel.setState(
            ToolsState(
                class_words=f"Class in hand: {name}",
                why_not=self._why_not(record),
                unit=lengths(record.volume)[1] if record is not None else "mm",
                channel=self._channel_words(record),
                decimals=_decimals(record),
                running=f"{under_way.tool.name.capitalize()}, all slices"
                if under_way is not None
                else "",
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
            words = "Choose a class first: background is in hand"
            found = {name: words for name, tool in TOOLS.items() if tool.of_class}
            found["range"] = words
        elif any(c.id == in_hand and c.locked for c in self._workspace.session.classes):
            words = "The class in hand is locked; unlock it in step Data"
            found = {name: words for name, tool in TOOLS.items() if tool.of_class}
        index = self._workspace.current_slice
        if record.volume.kind == "stack":
            found[COPY] = "The slices are unrelated pictures"
        elif record.status[index] == Status.DONE:
            found[COPY] = "This slice is done"
        elif labelled_neighbour(record, index) is None:
            found[COPY] = "Neither the slice before nor the one after is labelled"
        return found

    def _channel_words(self, record: VolumeRecord | None) -> str:
        if record is None or len(record.volume.channels) == 1:
            return ""
        channel = self._channel(record)
        return "colours" if channel is None else record.volume.channels[channel]

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
                index = self._workspace.current_slice
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
            else:
                part = on_slice(record, self._workspace.current_slice, tool, asked)
                self._commit(record, [part], name)

    def cancel(self) -> None:
        """Leave all labels as they are."""
        if self._under_way is not None:
            self._under_way = None
            self.runner.cancel()
            self.refresh()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts, nor do its values."""
        self.cancel()
        self._said = ""
        self.panel.change(in_range=False, low=0.0, high=0.0)

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
        words = f"{changed.words} changed" if changed.voxels else "nothing to change"
        self._said = f"{name.capitalize()}: {words}."
        self.refresh()
        if aloud or not changed.voxels:
            notify_info(self._said)

    # -- painting within a range -------------------------------------------------

    def toggle_range(self) -> None:
        """Hold strokes to the range of image values, or no longer."""
        self.panel.in_range.toggle()
        settings = self.panel.value()
        if settings.in_range:
            notify_info(
                f"Strokes change only voxels from {settings.low:g} to "
                f"{settings.high:g}; T ends this."
            )

    def suggest_range(self) -> None:
        """Take the range of what is painted with the class in hand."""
        with notify_errors():
            self._suggest()

    def _suggest(self) -> None:
        record = self._workspace.session.records[self._workspace.need_active()]
        found = suggested_range(
            record,
            self._workspace.paint_class,
            self._workspace.current_slice,
            self._channel(record),
        )
        self.panel.change(low=found.low, high=found.high)

    def _hold_strokes(self) -> None:
        """Let strokes change what the panel says."""
        settings = self.panel.value()
        if settings.in_range and settings.low == settings.high == 0:
            with notify_errors():
                self._suggest()
                settings = self.panel.value()
            if settings.low == settings.high == 0:
                self.panel.change(in_range=False)
                return
        strokes = self._workspace.strokes
        strokes.paintable = self._paintable if settings.in_range else None

    def _paintable(
        self, record: VolumeRecord, flat: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        settings = self.panel.value()
        low, high = sorted((settings.low, settings.high))
        within = ValueRange(low, high, self._channel(record)).holds(record, flat)
        if not within.any():
            notify_info(
                f"Nothing was painted: no image value there lies within {low:g} and "
                f"{high:g}. Press T to paint everywhere again."
            )
        return within

    def _channel(self, record: VolumeRecord) -> int | None:
        """Find the channel that is on top; None where the image is in colours."""
        layers, found = self._workspace.viewer.layers, [(-1, 0)]
        for channel in range(len(record.volume.data)):
            kind = f"image {channel}" if channel else "image"
            layer = self._workspace.registry.layer(record.volume.id, kind)
            if layer is not None and getattr(layer, "rgb", False):
                return None
            if layer is not None and layer.visible and layer in layers:
                found.append((layers.index(layer), channel))
        return max(found)[1]


def _work(under_way: _UnderWay) -> Generator[Progress | _Found, None, None]:
    """Look through all slices; may be ended after each."""
    parts = []
    for flat, values in through_all(under_way.record, under_way.tool, under_way.asked):
        if len(flat):
            parts.append((Places.of(flat), packed(values)))
        yield Progress(under_way.tool.name, 0.0)
    yield _Found(parts)


def _decimals(record: VolumeRecord | None) -> int:
    """Digits after the point that a range of the image's values needs."""
    if record is None:
        return 3
    whole = (np.issubdtype(data.dtype, np.integer) for data in record.volume.data)
    return 0 if all(whole) else 3


def _sentence(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}."
