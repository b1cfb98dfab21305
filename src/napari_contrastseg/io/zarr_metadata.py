"""Metadata of zarr groups and arrays of strangers, read and checked by ourselves.

zarr itself would follow links and unpack anything; it is only asked for arrays whose
description passed here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.io.limits import check_size

if TYPE_CHECKING:
    from pathlib import Path

#: Codecs that only pack numbers.
_CODECS: Final = frozenset(
    {"bytes", "blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "crc32c", "transpose",
     "sharding_indexed", "shuffle", "delta", "numcodecs.zlib", "numcodecs.lz4"}
)  # fmt: skip
_MOST_FILES: Final = 2_000_000


@dataclass(frozen=True)
class ArrayHead:
    """What is declared of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def attributes_of(group: Path) -> dict[str, Any]:
    """Read the attributes of a group of zarr 2 or 3; empty where it is none."""
    for name in ("zarr.json", ".zattrs"):
        file = group / name
        if file.is_file() and not file.is_symlink():
            found = read_json(file)
            if name == "zarr.json" and isinstance(found, dict):
                found = found.get("attributes", {})
            return found if isinstance(found, dict) else {}
    return {}


def array_head(place: Path) -> ArrayHead:
    """Read and check what an array declares: numbers, packed in a known way.

    Raises
    ------
    InputError
        There is no such array, or it holds or needs something else than numbers.
    """
    for name in ("zarr.json", ".zarray"):
        file = place / name
        if file.is_file() and not file.is_symlink():
            about = read_json(file)
            break
    else:
        raise InputError(f"{place}: holds no zarr array.")
    if not isinstance(about, dict) or "shape" not in about:
        raise InputError(f"{place}: does not describe an array.")
    second = name == ".zarray"
    codecs = _of_second(about) if second else _codecs(about.get("codecs", []))
    unknown = sorted(set(codecs) - _CODECS)
    if unknown:
        raise InputError(f"{place}: is packed with {unknown[0]}, which is not read.")
    try:
        dtype = np.dtype(str(about["dtype" if second else "data_type"]))
        shape = tuple(int(n) for n in about["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{place}: does not describe an array of numbers.") from error
    if dtype.kind not in "biuf" or any(n < 1 for n in shape):
        raise InputError(f"{place}: holds {dtype} of shape {shape}, not numbers.")
    check_size(place, _chunk(about, second=second), dtype)
    return ArrayHead(shape, dtype)


def _chunk(about: dict[str, Any], *, second: bool) -> tuple[int, ...]:
    if second:
        return tuple(int(n) for n in about.get("chunks", ()))
    grid = about.get("chunk_grid", {}).get("configuration", {})
    return tuple(int(n) for n in grid.get("chunk_shape", ()))


def _of_second(about: dict[str, Any]) -> list[str]:
    used = [about.get("compressor"), *(about.get("filters") or [])]
    return [str(codec.get("id")) for codec in used if isinstance(codec, dict)]


def _codecs(listed: Any) -> list[str]:
    """Name the codecs of zarr 3, also those within shards."""
    found: list[str] = []
    for codec in listed if isinstance(listed, list) else []:
        if not isinstance(codec, dict):
            continue
        found.append(str(codec.get("name")))
        inside = codec.get("configuration")
        if isinstance(inside, dict):
            for key in ("codecs", "index_codecs"):
                found += _codecs(inside.get(key, []))
    return found


def refuse_links(place: Path) -> None:
    """Refuse an array's folder that holds links: they may lead anywhere.

    Raises
    ------
    InputError
        One of its files or folders is a link.
    """
    count = 0
    for folder, folders, files in os.walk(place, followlinks=False):
        for name in (*folders, *files):
            count += 1
            if (path := type(place)(folder) / name).is_symlink():
                raise InputError(f"{path}: is a link; copy the file itself there.")
        if count > _MOST_FILES:
            raise InputError(f"{place}: holds more than {_MOST_FILES} files.")
