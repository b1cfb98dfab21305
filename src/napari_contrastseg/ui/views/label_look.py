"""How labels look: outlines or filled, opacity, proposals on and off, by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.ui.notify import notify_errors
from napari_contrastseg.ui.viewer.known_layers import set_visible
from napari_contrastseg.ui.viewer.layer_registry import outline_width

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from napari_contrastseg.ui.viewer.known_layers import ShownKind
    from napari_contrastseg.ui.workspace import Workspace

#: Layers that hold labels, and those of them that are filled unless outlines are asked.
LABELS: Final = ("ink", "prediction", "pseudo")
_FILLED: Final = ("ink", "pseudo")
_PROPOSED: Final = ("prediction", "pseudo")
_PLANE: Final = 2
#: By how much a key changes the opacity, and how faint labels may become: fainter ones
#: could be taken for hidden ones.
STEP: Final = 0.1
FAINTEST: Final = 0.1


class LabelLook:
    """Changes how the shown volume's labels look, and new layers' like theirs.

    napari's layer controls show each state, for it is the layers' own.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._outlined = False
        self._opacity: dict[str, float] = {}
        self._hidden: ShownKind | None = None
        registry = workspace.registry
        registry.layer_made.connect(self._on_layer_made)
        registry.proposals_hidden.connect(self._on_shown_again)
        workspace.proposals_shown.connect(self._on_round)
        workspace.viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    def close(self) -> None:
        """Follow the layers no more."""
        registry = self._workspace.registry
        registry.layer_made.disconnect(self._on_layer_made)
        registry.proposals_hidden.disconnect(self._on_shown_again)
        self._workspace.proposals_shown.disconnect(self._on_round)
        self._workspace.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    def toggle_outlines(self) -> None:
        """Show ink and what is sure as outlines, or filled again."""
        with notify_errors():
            if self._workspace.viewer.dims.ndisplay != _PLANE:
                raise InputError("There are no outlines in 3-D; turn off 3-D first.")
            layers = self._layers()
            self._outlined = not any(
                layer.contour for kind, layer in layers.items() if kind in _FILLED
            )
            for kind, layer in layers.items():
                self._outline(kind, layer)

    def more_opaque(self) -> None:
        """Make the shown volume's labels more opaque."""
        self._change_opacity(STEP)

    def less_opaque(self) -> None:
        """Make the shown volume's labels less opaque; they never vanish."""
        self._change_opacity(-STEP)

    def toggle_proposals(self) -> None:
        """Hide the shown volume's proposal, or show what was hidden of it."""
        with notify_errors():
            if self._workspace.viewer.dims.ndisplay != _PLANE:
                raise InputError("Proposals are hidden in slices; turn off 3-D first.")
            volume_id, registry = (
                self._workspace.need_active(),
                self._workspace.registry,
            )
            if not any(registry.layer(volume_id, kind) for kind in _PROPOSED):
                if self._workspace.session.records[volume_id].proposal is not None:
                    self._hidden = None
                    self._workspace.choose_volume(volume_id)  # they were closed
                    return
                raise InputError(
                    f"{volume_id}: there is no proposal to hide or show yet; mark two "
                    "slices done, or run a round, first."
                )
            shown = registry.shown_of_proposal(volume_id)
            wanted = None if shown else (self._hidden or "prediction")
            registry.show_of_proposal(volume_id, wanted)
            self._hidden = shown

    def _layers(self) -> dict[str, Labels]:
        """Give the label layers of the shown volume that are open."""
        volume_id = self._workspace.need_active()
        found = {
            kind: self._workspace.registry.layer(volume_id, kind) for kind in LABELS
        }
        return {kind: layer for kind, layer in found.items() if layer is not None}

    def _change_opacity(self, step: float) -> None:
        with notify_errors():
            for kind, layer in self._layers().items():
                wanted = round(layer.opacity + step, 2)
                layer.opacity = min(max(wanted, FAINTEST), 1.0)
                self._opacity[kind] = layer.opacity

    def _outline(self, kind: str, layer: Labels) -> None:
        """Draw a layer as is wanted; all that is proposed has an outline anyway."""
        owner = self._workspace.registry.owner(layer)
        if kind in _FILLED and owner is not None:
            record = self._workspace.session.records[owner[0]]
            flat = self._workspace.viewer.dims.ndisplay == _PLANE
            layer.contour = outline_width(record) if self._outlined and flat else 0

    def _on_ndisplay(self, _event: Any = None) -> None:
        """Take outlines away in 3-D, where napari has none, and draw them again."""
        registry = self._workspace.registry
        for layer in self._workspace.viewer.layers if self._outlined else ():
            owner = registry.owner(layer)
            if owner is not None:
                self._outline(owner[1], layer)

    def _on_layer_made(self, layer: Layer) -> None:
        """Let a new layer look like the one that it stands for."""
        owner = self._workspace.registry.owner(layer)
        if owner is None:
            return
        _, kind = owner
        if self._outlined:
            self._outline(kind, layer)
        if kind in self._opacity:
            layer.opacity = self._opacity[kind]
        if self._hidden is not None and kind in _PROPOSED:
            set_visible(layer, False)

    def _on_shown_again(self) -> None:
        """Forget what was hidden, once the person has it shown in another way."""
        volume_id = self._workspace.active
        if volume_id and self._workspace.registry.shown_of_proposal(volume_id):
            self._hidden = None

    def _on_round(self) -> None:
        """Show what a round proposes, also where proposals had been hidden."""
        wanted, self._hidden = self._hidden, None
        if wanted is not None and self._workspace.active is not None:
            self._workspace.registry.show_of_proposal(self._workspace.active, wanted)
