"""napari's reader of the image formats that it cannot read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.formats import is_image
from napari_contrastseg.io.images import parts_of, read_volume, stem_of
from napari_contrastseg.ui.viewer.image_layers import layers_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.io.volume import Volume

    LayerData = tuple[Any, dict[str, Any], str]

#: Images of one file or folder that are opened together.
_MOST: Final = 12


def get_reader(
    path: str | list[str],
) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Offer to read files of the manifest's patterns, and folders that are images."""
    first = Path(path if isinstance(path, str) else path[0])
    return None if first.is_dir() and not is_image(first) else read


def read(path: str | list[str]) -> list[LayerData]:
    """Read files as image layers, one a channel, that remember their affine and header.

    Raises
    ------
    InputError
        A file cannot be read; napari shows the sentence.
    """
    paths = [path] if isinstance(path, str) else path
    return [
        layer
        for one in paths
        for volume in _volumes(Path(one))
        for layer in layers_for(volume)
    ]


def _volumes(path: Path) -> Iterator[Volume]:
    """Read the image of a file, or each of a few that a folder holds.

    Of several in one file, and of several time points, one must be chosen.
    """
    parts = parts_of(path) if path.is_dir() else ()
    if not 0 < len(parts) <= _MOST or any(part.kind != "image" for part in parts):
        yield read_volume(path)
        return
    for part in parts:
        name = f"{stem_of(path)} {part.key}"
        yield read_volume(path, name=name, choice=Choice(part.key))
