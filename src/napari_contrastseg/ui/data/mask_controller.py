"""Existing masks of step Data: taken at once, or once a person has decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_contrastseg.session.mask_values import keep_decisions
from napari_contrastseg.session.masks import known_classes
from napari_contrastseg.session.written_mask import settle_mask, unwrite_mask
from napari_contrastseg.ui.data.mask_form import MaskQuestion
from napari_contrastseg.ui.notify import notify_errors, notify_info
from napari_contrastseg.ui.viewer import masks
from napari_contrastseg.ui.viewer.mask_layers import named_as_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.written_mask import WrittenMask
    from napari_contrastseg.ui.workspace import Workspace


@dataclass(frozen=True, eq=False)
class _Asked:
    """A mask that waits for a person, and the session that it is for."""

    layer: Layer
    volume_id: str
    session: Session
    question: MaskQuestion


class MaskController(QObject):
    """Takes masks; asks where there is something to decide."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._asked: _Asked | None = None

    def state(self) -> MaskQuestion | None:
        """Return what waits for a decision, as long as there is what it is about."""
        asked, session = self._asked, self._workspace.session
        if asked is None:
            return None
        layers = self._workspace.viewer.layers
        gone = asked.layer not in layers or asked.session is not session
        if gone or asked.volume_id not in session.records:
            self._asked = None
            return None
        question = asked.question
        if question.classes.classes != session.classes:
            known = known_classes(session)
            values = keep_decisions(question.values, question.values, known)
            self._ask(replace(question, values=values, classes=known))
        return self._asked.question if self._asked is not None else None

    def free(self) -> list[Layer]:
        """Layers that are not ours and may hold a mask, the likeliest first."""
        workspace = self._workspace
        found = [
            layer
            for layer in workspace.viewer.layers
            if workspace.registry.owner(layer) is None and masks.may_be_mask(layer)
        ]
        return sorted(
            found,
            key=lambda one: not (isinstance(one, Labels) or named_as_mask(one.name)),
        )

    def take_free(self, index: int, all_done: bool) -> None:
        """Take one of the free masks as the active volume's ink."""
        free = self.free()
        if 0 <= index < len(free):
            self.take(free[index], all_done=all_done)

    def take(self, layer: Layer, *, all_done: bool) -> None:
        """Take a mask layer as the active volume's ink, or ask first.

        It is read in a thread; the session stays as it is meanwhile.
        """
        self._asked = None
        with notify_errors():
            volume_id = self._workspace.need_active()
            self._find(volume_id, layer, partial(self._ask_or_take, layer, all_done))
        self._workspace.changed.emit()

    def _ask_or_take(
        self, layer: Layer, all_done: bool, found: masks.FoundMask
    ) -> None:
        if found.examined.questions:
            question = self._question(found, all_done=all_done)
            session = self._workspace.session
            self._asked = _Asked(layer, found.volume_id, session, question)
        else:
            self._take(found, layer, all_done=all_done)
        self._workspace.changed.emit()

    def choose(self, question: MaskQuestion | None) -> None:
        """Keep what a person has chosen so far."""
        if question is not None:
            self._ask(question)

    def take_decided(self) -> None:
        """Take the mask that waits, as it was decided; ask again if it has changed."""
        asked = self._asked
        if asked is None or self.state() is None:
            return
        question = self._asked.question if self._asked is not None else asked.question
        with notify_errors():
            take = partial(self._take_as_decided, asked.layer, question)
            self._find(asked.volume_id, asked.layer, take)

    def _take_as_decided(
        self, layer: Layer, question: MaskQuestion, found: masks.FoundMask
    ) -> None:
        known = known_classes(self._workspace.session)
        values = keep_decisions(found.examined.values, question.values, known)
        fresh = replace(found.examined, values=values)
        found = replace(found, examined=fresh)
        if {v.value for v in values} != {v.value for v in question.values}:
            self._ask(self._question(found, all_done=question.all_done))
            notify_info(f"{found.name} has other values by now; look at them.")
        else:
            self._take(found, layer, all_done=question.all_done)
        self._workspace.changed.emit()

    def leave(self) -> None:
        """Do not take the mask that waits."""
        self._asked = None
        self._workspace.changed.emit()

    def _ask(self, question: MaskQuestion) -> None:
        if self._asked is not None:
            self._asked = replace(self._asked, question=question)

    def _find(
        self, volume_id: str, layer: Layer, then: Callable[[masks.FoundMask], None]
    ) -> None:
        """Read and examine a mask in a thread."""
        workspace = self._workspace
        shown = workspace.registry.layer(volume_id, "image")
        workspace.work.begin(
            f"Reading the mask {layer.name}",
            partial(masks.find_mask, workspace.session, volume_id, layer, shown),
            then,
            holding=workspace.session,
        )

    def _question(self, found: masks.FoundMask, *, all_done: bool) -> MaskQuestion:
        return MaskQuestion(
            f"Mask {found.name} of {found.volume_id}",
            " ".join((*found.examined.questions, *found.notes)),
            found.examined.values,
            known_classes(self._workspace.session),
            all_done,
        )

    def _take(self, found: masks.FoundMask, layer: Layer, *, all_done: bool) -> None:
        """Write it in a thread, then make it a step of the history."""
        session = self._workspace.session
        self._workspace.work.begin(
            f"Taking the mask {found.name}",
            partial(
                masks.write_found, session, found, found.examined, all_done=all_done
            ),
            partial(self._settle, found, layer),
            discard=partial(unwrite_mask, session),
            holding=session,
        )

    def _settle(
        self, found: masks.FoundMask, layer: Layer, written: WrittenMask
    ) -> None:
        workspace = self._workspace
        settle_mask(workspace.session, written)
        self._asked = None
        layer.visible = False  # the ink shows what was taken, and Ctrl+Z acts on it
        if workspace.active == found.volume_id:
            workspace.work_on(found.volume_id)
        taken = f"{found.name} is taken as your labels of {found.volume_id}."
        notify_info(" ".join(found.notes) or taken)
        workspace.changed.emit()
