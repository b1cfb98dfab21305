"""Images to predict: a file or a folder; a case's files by their channel numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, unreadable
from napari_contrastseg.io.formats import ending_of, endings, format_of, is_image
from napari_contrastseg.io.formats.picture_folder import NAME, PICTURES
from napari_contrastseg.io.images import stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def find_inputs(
    path: Path, channels: int, *, as_one: bool = False
) -> dict[str, tuple[Path, ...]]:
    """List the images that INPUT names: one file, or a folder of images.

    Parameters
    ----------
    path : Path
    channels : int
        Files of each case.
    as_one : bool
        Whether a folder is one image.

    Returns
    -------
    dict of case id to its channel files
    """
    if path.is_dir() and is_image(path, as_one=as_one):
        _refuse_others(path, as_one=as_one)
    if path.is_file() or (path.is_dir() and (as_one or is_image(path))):
        return _cases([path], channels)
    if not path.is_dir():
        if os.path.lexists(path):  # a link to nothing, a pipe
            need_file(path)
        raise InputError(f"{path}: there is no such file or folder.")
    try:
        files = sorted(p for p in path.iterdir() if is_image(p) and p.name[0] != ".")
    except PermissionError as error:
        raise unreadable(path) from error
    files = [p for p in files if not _is_second_half(p)]
    if not files:
        raise InputError(f"{path}: holds no images ({', '.join(endings())}).")
    return _cases(files, channels)


def _refuse_others(folder: Path, *, as_one: bool) -> None:
    """Refuse a folder that is one image and holds files of other images as well."""
    mine = format_of(folder, as_one=as_one)
    parts = PICTURES if mine.name == NAME else (mine.name,)
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.name.startswith(".") or not ending_of(file):
            continue
        if format_of(file).name not in parts:
            raise InputError(
                f"{file}: lies among the files of one image ({mine.title}) and is no "
                "part of it; move it to a folder of its own."
            )


def _cases(files: Sequence[Path], channels: int) -> dict[str, tuple[Path, ...]]:
    """Give the files of each case.

    The number at the end of a name is that of a channel where there are as many; else
    it is a part of the name: a year, or that of a picture.
    """
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(case_name(file), []).append(file)
    cases: dict[str, tuple[Path, ...]] = {}
    for name, parts in groups.items():
        numbers = [channel_number(file) for file in parts]
        numbered = any(n is not None and n < channels for n in numbers)
        if numbered and (channels > 1 or len(parts) == 1):
            cases[name] = tuple(parts)
            continue
        for file in parts:
            if stem_of(file) in cases:
                raise InputError(
                    f"{file}: there are two images of this name; keep them in folders "
                    "of their own."
                )
            cases[stem_of(file)] = (file,)
    return cases


def _is_second_half(path: Path) -> bool:
    """Whether a file holds the voxels of a header that is a file beside it."""
    return path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()


def channel_number(path: Path) -> int | None:
    """Read nnU-Net's channel number at the end of an image file's name, if any."""
    stem = stem_of(path)
    numbered = len(stem) > 5 and stem[-5] == "_" and stem[-4:].isdecimal()  # noqa: PLR2004
    return int(stem[-4:]) if numbered else None


def case_name(path: Path) -> str:
    """Case id of an image file: its stem without nnU-Net's channel number."""
    stem = stem_of(path)
    return stem if channel_number(path) is None else stem[:-5]


def check_channel_files(cases: Mapping[str, Sequence[Path]], count: int) -> None:
    """Refuse cases that have not one file for each of the channels 0 .. count - 1.

    Raises
    ------
    InputError
        Names the case and the file that is missing, or one that is too many.
    """
    for name, files in cases.items():
        have = [channel_number(file) for file in files]
        if count == 1 and have == [None]:
            continue
        missing = next((number for number in range(count) if number not in have), None)
        if missing is not None:
            file = f"{name}_{missing:04d}{ending_of(files[0])}"
            raise InputError(
                f"{files[0].parent / file}: this channel file of case {name} is "
                "missing, and all cases need the same channels; add it, or move case "
                f"{name} elsewhere."
            )
        wanted = set(range(count))
        for number, path in zip(have, files, strict=True):
            if number not in wanted:
                raise InputError(
                    f"{path}: is one file too many for case {name}; keep one for each "
                    "channel, numbered _0000, _0001 and so on."
                )
            wanted.remove(number)
