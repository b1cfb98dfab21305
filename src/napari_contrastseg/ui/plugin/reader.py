"""napari's reader of the image formats that it cannot read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import napari

from napari_contrastseg.io.choice import Choice, NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import is_image
from napari_contrastseg.io.images import (
    parts_of,
    read_volume,
    stem_of,
    words_of_unpacking,
)
from napari_contrastseg.ui.notify import notify_info
from napari_contrastseg.ui.viewer.image_layers import layers_for
from napari_contrastseg.ui.viewer.mask_layers import as_labels
from napari_contrastseg.ui.viewer.unopened import WAITING, Unopened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.io.volume import Volume

    LayerData = tuple[Any, ...]

#: Images of one file or folder that are opened together.
_MOST: Final = 12


def get_reader(
    path: str | list[str],
) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Offer to read files of the manifest's patterns, and folders that are images."""
    first = Path(path if isinstance(path, str) else path[0])
    return None if first.is_dir() and not is_image(first, as_one=True) else read


def read(path: str | list[str]) -> list[LayerData]:
    """Read files as image layers, one a channel, that remember their affine and header.

    A mask of a few whole numbers is read as labels.

    Where there is something to choose first, the dock asks, and opens what is chosen;
    it also opens what takes long, while the window answers.

    Raises
    ------
    InputError
        A file cannot be read, or something is to be chosen and no dock is open; napari
        shows the sentence.
    """
    paths = [path] if isinstance(path, str) else path
    layers: list[LayerData] = [
        as_labels(layer)
        for one in paths
        for volume in _volumes(Path(one))
        for layer in layers_for(volume)
    ]
    return layers or [(None,)]  # for napari: nothing to show, and no failure


def _volumes(path: Path) -> Iterator[Volume]:
    """Read the image of a file, or each of a few that a folder holds.

    Of several in one file, and of several time points, one must be chosen.
    """
    parts = parts_of(path) if path.is_dir() and is_image(path) else ()
    if not 0 < len(parts) <= _MOST or any(part.kind != "image" for part in parts):
        yield from _or_ask(path, stem_of(path), Choice())
        return
    for part in parts:
        yield from _or_ask(path, f"{stem_of(path)} {part.key}", Choice(part.key))


def _or_ask(path: Path, name: str, choice: Choice) -> Iterator[Volume]:
    """Read an image, or let the dock do it: ask what is to be chosen, or take long."""
    viewer = napari.current_viewer()  # noqa: TID251  npe2 hands over paths alone
    words = words_of_unpacking(path, choice)
    if words and WAITING.ask(viewer, Unopened(path, name, choice)):
        return
    if words:
        notify_info(words)
    try:
        yield read_volume(path, name=name, choice=choice, as_one=True)
    except (SeveralPartsError, NotUprightError) as error:
        if not WAITING.ask(viewer, Unopened(path, name, choice, error)):
            raise InputError(
                f"{error.why}; open Annotate (ContrastSeg) in napari's menu Plugins "
                "and drop it again, to choose there."
            ) from error
