"""Chunks of zarr that unpack to more than they declare are refused before they do."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest

from napari_contrastseg.io import images
from napari_contrastseg.io.errors import InputError
from tests.kit.ome_zarr import STACK, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def one_chunk(folder: Path, packed: bytes, codec: dict[str, Any], second: bool) -> Path:
    """An image of one chunk of 64 kB whose bytes are given."""
    path = write(folder / "a.zarr", "zyx", STACK[0], version="0.4" if second else "0.5")
    place = path / "0"
    shutil.rmtree(place)
    place.mkdir()
    shape, chunk = [4, 64, 64], [4, 64, 64]
    about: dict[str, Any]
    if second:
        about = {"zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": "<u2"}
        about |= {"compressor": codec, "fill_value": 0, "order": "C", "filters": None}
        (place / ".zarray").write_text(json.dumps(about))
        (place / "0.0.0").write_bytes(packed)
        return path
    named = {"name": codec["id"], "configuration": {"level": 1, "checksum": False}}
    if codec["id"] == "gzip":
        named["configuration"] = {"level": 1}
    about = {"zarr_format": 3, "node_type": "array", "shape": shape}
    about |= {"data_type": "uint16", "fill_value": 0, "attributes": {}}
    about["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    about["chunk_key_encoding"] = {"name": "default"}
    about["codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}, named]
    (place / "zarr.json").write_text(json.dumps(about))
    (place / "c" / "0" / "0").mkdir(parents=True)
    (place / "c" / "0" / "0" / "0").write_bytes(packed)
    return path


GOOD = bytes(np.arange(4 * 64 * 64, dtype="<u2"))
HUGE = bytes(2**24)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "blosc": lambda raw: bytes(numcodecs.Blosc().encode(raw)),
    "zstd": lambda raw: bytes(numcodecs.Zstd().encode(raw)),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "lz4": lambda raw: bytes(numcodecs.LZ4().encode(raw)),
}


@pytest.mark.parametrize(
    ("codec", "second"),
    [*((codec, True) for codec in PACK), ("zstd", False), ("gzip", False)],
)
def test_a_chunk_that_unpacks_to_more_than_it_says_is_refused(
    codec: str, second: bool, tmp_path: Path
) -> None:
    good = one_chunk(tmp_path / "a", PACK[codec](GOOD), {"id": codec}, second)
    read = np.asarray(images.read_volume(good).data[0])
    assert read.tobytes() == GOOD
    bombs = [PACK[codec](HUGE)]
    if codec in ("zstd", "gzip", "bz2"):  # several streams, one after the other
        bombs.append(PACK[codec](GOOD) + PACK[codec](HUGE))
    for number, bomb in enumerate(bombs):
        assert len(bomb) < 2**20
        path = one_chunk(tmp_path / str(number), bomb, {"id": codec}, second)
        with pytest.raises(InputError, match="unpacks to more than the 32768 bytes"):
            images.read_volume(path)


def test_a_chunk_that_says_it_is_longer_than_it_is_never_reaches_blosc(
    tmp_path: Path,
) -> None:
    """Found by fuzzing: blosc reads beyond the end, and the process ends."""
    packed = bytearray(PACK["blosc"](GOOD))
    packed[12:16] = (len(packed) + 2**20).to_bytes(4, "little")
    for number, raw in enumerate((bytes(packed), bytes(packed[:9]), b"")):
        path = one_chunk(tmp_path / str(number), raw, {"id": "blosc"}, True)
        with pytest.raises(InputError, match="it holds less than it says"):
            images.read_volume(path)


def test_a_shard_whose_chunk_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "zyx", STACK[0], shards=(4, 32, 32))
    shard = path / "0" / "c" / "0" / "0" / "0"
    bomb = PACK["zstd"](HUGE)
    index = np.full((4 * 2 * 2, 2), 2**64 - 1, "<u8")
    index[0] = (0, len(bomb))
    raw = index.tobytes()
    shard.write_bytes(bomb + raw + bytes(numcodecs.CRC32C().encode(raw))[-4:])
    with pytest.raises(InputError, match="unpacks to more than"):
        images.read_volume(path)
    index[0] = (10, 2**40)
    shard.write_bytes(bomb + index.tobytes() + bytes(4))
    with pytest.raises(InputError, match="names what it does not hold"):
        images.read_volume(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_beyond_the_array_and_beyond_counting_are_refused(
    version: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.zarr", "zyx", STACK[0], version=version)
    file = path / "0" / (".zarray" if version == "0.4" else "zarr.json")
    for shape, chunk, said in (
        ([4, 20, 24], [400, 500, 500], "declares chunks of 0.2 GB"),
        ([400, 400, 400], [1, 1, 1], "declares 64000000 chunks, of which"),
        ([4, 20, 24], [0, 16, 16], "chunks of"),
        ([4, 20, 24], [16, 16], "chunks of"),
    ):
        about = json.loads(file.read_text())
        about["shape"] = shape
        if version == "0.4":
            about["chunks"] = chunk
        else:
            about["chunk_grid"]["configuration"]["chunk_shape"] = chunk
        file.write_text(json.dumps(about))
        with pytest.raises(InputError, match=said):
            images.read_volume(path)
