"""One target of the fuzzer: python target.py NAME [libFuzzer's options] CORPUS.

Atheris feeds it bytes; the reader may return or raise `InputError`, nothing else.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import atheris

with atheris.instrument_imports(
    include=["napari_contrastseg", "nibabel", "tifffile", "safetensors", "pydicom"]
):
    from napari_contrastseg.io import limits
    from napari_contrastseg.io.dataset import read_dataset
    from napari_contrastseg.io.errors import InputError
    from napari_contrastseg.io.images import read_labels, read_volume
    from napari_contrastseg.learning.models.model import load_model
    from napari_contrastseg.session.storage.journal import MAGIC
    from napari_contrastseg.session.storage.load import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable

#: Memory that the computer is said to have free, bytes.
FREE = 512 * 2**20
PLACE = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
TEMPLATE = Path(os.environ.get("FUZZ_TEMPLATE", "."))


def image(ending: str) -> Callable[[bytes], None]:
    path = PLACE / f"f{ending}"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_labels(path)

    return read


def dataset(data: bytes) -> None:
    (PLACE / "dataset.json").write_bytes(data)
    read_dataset(PLACE)


def within(
    folder: str, pattern: str, load: Callable[[Path], object]
) -> Callable[[bytes], None]:
    """Put the bytes in place of one file of a valid folder."""
    place = PLACE / folder
    shutil.copytree(TEMPLATE / folder, place)
    path = min(place.glob(pattern))

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load(place)

    return read


def record(data: bytes) -> None:
    """A record whose checksum is right, whatever it holds."""
    frame = struct.pack("<II", len(data), zlib.crc32(data))
    PLACED["session-record"].write_bytes(MAGIC + frame + data)
    open_folder(PLACE / "session")


PLACED: dict[str, Path] = {}


def placed_record() -> Callable[[bytes], None]:
    shutil.copytree(TEMPLATE / "session", PLACE / "session")
    PLACED["session-record"] = min((PLACE / "session").glob("journal-*"))
    return record


TARGETS: dict[str, Callable[[], Callable[[bytes], None]]] = {
    "nii": lambda: image(".nii"),
    "nii-gz": lambda: image(".nii.gz"),
    "tiff": lambda: image(".tif"),
    "png": lambda: image(".png"),
    "jpeg": lambda: image(".jpg"),
    "nii-2": lambda: image(".nii"),
    "nrrd": lambda: image(".nrrd"),
    "metaimage": lambda: image(".mha"),
    "dicom": lambda: image(".dcm"),
    "ome-zarr": lambda: within("image.zarr", "zarr.json", read_volume),
    "ome-zarr-array": lambda: within("image.zarr", "0/zarr.json", read_volume),
    "ome-zarr-chunk": lambda: within("image.zarr", "0/c/0/0/0", read_volume),
    "ome-zarr-2": lambda: within("second.zarr", "0/.zarray", read_volume),
    "ome-zarr-2-chunk": lambda: within("second.zarr", "0/0*0*0", read_volume),
    "dataset": lambda: dataset,
    "model-card": lambda: within("model", "model.json", load_model),
    "model-weights": lambda: within("model", "weights.safetensors", load_model),
    "session-index": lambda: within("session", "session.json", open_folder),
    "session-journal": lambda: within("session", "journal-*", open_folder),
    "session-record": placed_record,
    "session-array": lambda: within("session", "work/*/ink/zarr.json", open_folder),
    "session-chunk": lambda: within("session", "work/*/ink/c/0/0/0", open_folder),
    "session-round": lambda: within(
        "session", "rounds/*/model/model.json", open_folder
    ),
}


def main() -> None:
    name = sys.argv.pop(1)
    told = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=FREE))
    setattr(limits, "psutil", told)  # noqa: B010  mypy knows the module's type
    read = TARGETS[name]()

    def one(data: bytes) -> None:
        try:
            read(data)
        except InputError:
            return

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
