"""Smart tools: switches the smart brush, boxes and clicks, numbers pieces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.tasks.instances import shown_instances
from napari_contrastseg.tasks.smart_brush import refined_stroke
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.smart.panel import SmartPanel
from napari_contrastseg.ui.smart.suggestion import SuggestionController
from napari_contrastseg.ui.viewer.overlays import show_numbers
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.session.instances import Instances
    from napari_contrastseg.session.painting import Refine
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.ui.workspace import Workspace

#: Layers that strokes are painted in.
_PAINTED: Final = ("ink", "prediction", "pseudo")
#: Sizes that are listed of the pieces.
_LISTED: Final = 5
_AT_WORK: Final = "Numbering ..."
_SINCE: Final = " Labels have changed since."


@dataclass(frozen=True, eq=False)
class _Asked:
    """Pieces that are being numbered."""

    session: Session
    volume_id: str
    class_id: int
    index: int | None


class SmartController(QObject):
    """The intents of the smart tools, for the volume, slice and chosen class."""

    title = "Smart tools"
    under_way = ""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._on = False
        self._asked: _Asked | None = None
        self._words = ""
        self.panel = SmartPanel()
        self.suggestion = SuggestionController(workspace)
        self.runner = LatestTask(self, awaited=True)
        self.panel.brush_toggled.connect(self.set_brush)
        self.panel.box_requested.connect(self.suggestion.toggle)
        self.panel.numbers_requested.connect(self.number_pieces)
        self.suggestion.changed.connect(workspace.changed)
        self.runner.happened.connect(self._on_numbered)
        self.runner.ended.connect(self._on_ended)
        workspace.labels_changed.connect(self._on_labels)
        workspace.session_closing.connect(self._forget)
        workspace.strokes.refine = self._refine

    @property
    def keys(self) -> Sequence[tuple[str, str, Callable[[], object]]]:
        """Keys of the smart tools, what they do, and how."""
        return (
            ("G", "smart brush: strokes snap to edges, or no more", self.toggle_brush),
            ("Alt-B", "box and clicks: suggest a structure", self.suggestion.toggle),
            ("Alt-I", "number the pieces of the chosen class", self.number_pieces),
        )

    def close(self) -> None:
        """Let strokes be as they are painted, and wait for nothing any more."""
        self._workspace.strokes.refine = None
        self.suggestion.close()
        self.runner.close()

    def refresh(self) -> None:
        """Show what can be done now."""
        active = self._workspace.active
        why_not = None if active is not None else "Add a volume first"
        chosen = self._workspace.paint_class
        no_class = None if chosen != BACKGROUND else "Choose a class first"
        self.panel.setBrush(self._on, why_not)
        self.panel.setBox(self.suggestion.waiting, why_not or no_class)
        self.panel.setNumbers(self._words, why_not or no_class)

    # -- the smart brush -------------------------------------------------------

    def toggle_brush(self) -> None:
        """Switch the smart brush on or off."""
        self.set_brush(not self._on)

    def set_brush(self, on: bool) -> None:
        """Let strokes snap to edges from now on, or stay as they are painted."""
        self._on = on
        if on:
            self._take_up_brush()
        words = (
            "Smart brush on: strokes snap to edges near them; G turns it off."
            if on
            else "Smart brush off: strokes stay as you paint them."
        )
        notify_info(words)
        self.refresh()

    def _take_up_brush(self) -> None:
        """Paint on a layer of the session: the one that is selected, else the ink."""
        registry, layers = self._workspace.registry, self._workspace.viewer.layers
        key = registry.owner(layers.selection.active)
        kind = key[1] if key is not None and key[1] in _PAINTED else "ink"
        layer = registry.layer(self._workspace.active or "", kind)
        if isinstance(layer, Labels) and not self.suggestion.waiting:
            layers.selection.active = layer
            layer.mode = "paint"

    def _refine(self, layer: Labels) -> Refine | None:
        """Say what becomes of a stroke in a layer."""
        if not self._on or layer.mode != "paint":
            return None
        return partial(refined_stroke, radius=layer.brush_size / 2)

    # -- numbered pieces -------------------------------------------------------

    def number_pieces(self) -> None:
        """Give numbers to the pieces of the chosen class, as they are shown now."""
        workspace, settings = self._workspace, self.panel.value()
        with notify_errors():
            volume_id = workspace.need_active()
            index = self._workspace.need_shown_slice()[1] if settings.in_slice else None
            class_id = workspace.paint_class
            if class_id == BACKGROUND:
                raise InputError("Choose a class first: its pieces are numbered.")
            record = workspace.session.records[volume_id]
            proposed = workspace.registry.shown_of_proposal(volume_id) is not None
            self._asked = _Asked(workspace.session, volume_id, class_id, index)
            self._words = _AT_WORK
            self.runner.start(
                shown_instances(
                    record,
                    class_id,
                    proposed=proposed,
                    index=index,
                    touching=settings.touching,
                    order=settings.order,
                )
            )
        self.refresh()

    def _on_numbered(self, found: Instances) -> None:
        asked, workspace = self._asked, self._workspace
        if asked is None or asked.session is not workspace.session:
            return
        if asked.volume_id not in workspace.session.records:
            return
        name = workspace.session.class_name(asked.class_id)
        if found.count:
            show_numbers(workspace.registry, asked.volume_id, name, found.numbers)
        else:
            workspace.registry.drop(asked.volume_id, "instances")
        where = "" if asked.index is None else f" on slice {asked.index}"
        self._words = f"{plural(found.count, 'piece')} of {name}{where}{_sizes(found)}"
        notify_info(self._words)
        self.refresh()

    def _on_labels(self) -> None:
        """Say that the numbers, which stay as they are, are of other labels."""
        if self._words and not self._words.endswith(_SINCE) and not self.runner.running:
            self._words += _SINCE
            self.refresh()

    def _on_ended(self, outcome: Outcome) -> None:
        if not self.runner.replaced:
            self.runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
        if self._words == _AT_WORK and not self.runner.running:
            self._words = ""
        self.refresh()

    def _forget(self) -> None:
        """Another session comes: nothing of this one's counts."""
        self.runner.cancel()
        self._asked, self._words = None, ""


def _sizes(found: Instances) -> str:
    """List the largest sizes: ": 120, 80, 12 voxels and 3 smaller."."""
    if not found.count:
        return "."
    largest = sorted(found.voxels.tolist(), reverse=True)
    listed = ", ".join(f"{size:,}" for size in largest[:_LISTED])
    rest = f" and {len(largest) - _LISTED} smaller" if len(largest) > _LISTED else ""
    return f": {listed} voxels{rest}."
