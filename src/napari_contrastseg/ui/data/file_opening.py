"""Opens image files in a thread, one after the other, as layers of the viewer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_contrastseg.io.choice import NotUprightError, SeveralPartsError
from napari_contrastseg.io.images import read_volume, words_of_unpacking
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.viewer.image_layers import layers_for
from napari_contrastseg.ui.viewer.mask_layers import as_labels
from napari_contrastseg.ui.viewer.unopened import Unopened

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.ui.workspace import Workspace


class FileOpening(QObject):
    """Reads files that take long, while the window answers.

    Parameters
    ----------
    workspace : Workspace
    ask : callable of an Unopened
        Asks a person what there is to choose.
    """

    def __init__(self, workspace: Workspace, ask: Callable[[Unopened], None]) -> None:
        super().__init__(workspace)
        self._workspace, self._ask = workspace, ask
        self._waiting: list[Unopened] = []
        workspace.work.ended.connect(self._begin_next)

    def open(self, unopened: Unopened) -> None:
        """Open a file, once those before it are open."""
        self._waiting.append(unopened)
        self._begin_next()

    def _begin_next(self) -> None:
        if not self._waiting or self._workspace.work.now is not None:
            return
        unopened = self._waiting.pop(0)
        with notify_errors():
            words = words_of_unpacking(unopened.path, unopened.choice)
            if words:
                notify_info(words)
            doing = "Unpacking" if words else "Reading"
            self._workspace.work.begin(
                f"{doing} {unopened.path.name}",
                partial(_read, unopened),
                self._show,
                otherwise=partial(self._say_unread, unopened),
            )

    def _show(self, volume: Volume) -> None:
        for layer in map(as_labels, layers_for(volume)):
            self._workspace.viewer.add_layer(Layer.create(*layer))

    def _say_unread(self, unopened: Unopened, error: BaseException | None) -> None:
        if isinstance(error, SeveralPartsError | NotUprightError):
            path, name, choice = unopened.path, unopened.name, unopened.choice
            self._ask(Unopened(path, name, choice, error))
        elif error is not None:
            notify_error(str(error))
        else:
            notify_info(f"{unopened.path.name} was not opened.")


def _read(unopened: Unopened) -> Volume:
    return read_volume(
        unopened.path, name=unopened.name, choice=unopened.choice, as_one=True
    )
