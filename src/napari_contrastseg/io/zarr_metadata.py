"""Metadata of zarr groups and arrays of strangers, read and checked by ourselves.

zarr itself would follow links and unpack anything; it is only asked for arrays whose
description passed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.zarr_chunks import Packing

if TYPE_CHECKING:
    from pathlib import Path

#: Codecs that pack bytes, and those that only order numbers or add a checksum.
_PACKING: Final = frozenset({"blosc", "zstd", "gzip", "zlib", "lz4", "bz2"})
_ORDERING: Final = frozenset({"bytes", "crc32c", "transpose", "shuffle", "delta"})


@dataclass(frozen=True)
class ArrayHead:
    """What is declared of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    packing: Packing


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


def described_in(place: Path) -> Path:
    """Find the file that describes an array.

    Raises
    ------
    InputError
        There is none.
    """
    for name in ("zarr.json", ".zarray"):
        file = place / name
        if file.is_file() and not file.is_symlink():
            return file
    raise InputError(f"{place}: holds no zarr array.")


def array_head(place: Path) -> ArrayHead:
    """Read and check what an array declares: numbers, packed in a known way.

    Raises
    ------
    InputError
        There is no such array, or it holds or needs something else than numbers.
    """
    file = described_in(place)
    about = read_json(file)
    if not isinstance(about, dict) or "shape" not in about:
        raise InputError(f"{place}: does not describe an array.")
    second = file.name == ".zarray"
    try:
        dtype = np.dtype(str(about["dtype" if second else "data_type"]))
        shape = tuple(int(n) for n in about["shape"])
        packing = _of_second(place, about) if second else _of_third(place, about)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: does not describe an array of numbers.") from error
    if dtype.kind not in "biuf" or any(n < 1 for n in shape):
        raise InputError(f"{place}: holds {dtype} of shape {shape}, not numbers.")
    for cut in (packing.chunk, packing.shard or packing.chunk):
        if len(cut) != len(shape) or min(cut, default=1) < 1:
            raise InputError(f"{place}: has shape {shape} and chunks of {cut}.")
        check_size(place, cut, dtype)
    return ArrayHead(shape, dtype, packing)


def _of_second(place: Path, about: dict[str, Any]) -> Packing:
    """Read how an array of zarr 2 is packed."""
    used = [about.get("compressor"), *(about.get("filters") or [])]
    codecs = [{"name": codec.get("id")} for codec in used if codec is not None]
    return Packing(_sizes(about["chunks"]), _one_codec(place, codecs))


def _of_third(place: Path, about: dict[str, Any]) -> Packing:
    """Read how an array of zarr 3 is packed, also within shards."""
    outer = _sizes(about["chunk_grid"]["configuration"]["chunk_shape"])
    codecs = about["codecs"]
    shards = [c for c in codecs if c["name"] == "sharding_indexed"]
    if not shards:
        return Packing(outer, _one_codec(place, codecs))
    within = shards[0]["configuration"]
    index = [codec["name"] for codec in within["index_codecs"]]
    if len(codecs) > 1 or index not in (["bytes"], ["bytes", "crc32c"]):
        raise InputError(f"{place}: packs its shards in a way that is not read.")
    return Packing(
        _sizes(within["chunk_shape"]),
        _one_codec(place, within["codecs"]),
        outer,
        index_first=within.get("index_location", "end") == "start",
        index_sum=4 * (len(index) - 1),
    )


def _sizes(listed: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in listed)


def _one_codec(place: Path, codecs: Any) -> str:
    """Name the one codec that packs bytes; others only order them.

    Raises
    ------
    InputError
        One is not known, or they are packed twice.
    """
    names = [str(codec["name"]).removeprefix("numcodecs.") for codec in codecs]
    unknown = next((n for n in names if n not in _PACKING | _ORDERING), None)
    if unknown is not None:
        raise InputError(f"{place}: is packed with {unknown}, which is not read.")
    found = [name for name in names if name in _PACKING]
    if len(found) > 1:
        raise InputError(f"{place}: is packed twice, which is not read.")
    return found[0] if found else ""
