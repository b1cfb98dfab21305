"""Fuzz every reader for a while: python tests/fuzz/run.py [SECONDS EACH] [JSON].

Needs atheris (`pip install --group fuzz`, Linux). Seeds are valid files that are made
here. A crash is written down with the input that made it.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK
import tifffile
from pydicom.uid import RLELossless

from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.session import painting
from napari_contrastseg.session.storage.autosave import Autosave
from tests.fuzz.names import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Memory of a fuzzing process, MB, from which it counts as a crash; it is told that
#: 512 MB are free, torch and the libraries take about 700.
RSS_MB = 2048
HERE = Path(__file__).parent


def make_templates(place: Path) -> None:
    """Make a valid session, model and data set."""
    from napari_contrastseg.bench.faults import scripted_session as scripted
    from napari_contrastseg.samples.samples import phantom
    from tests.kit.ome_zarr import write as write_ome_zarr
    from tests.kit.rounds import a_model
    from tests.kit.sessions import add_round

    session, truth = scripted.new_session()
    autosave = Autosave(session, place / "session", print)
    painting.paint(session, scripted.NAME, truth == 1, 1)
    add_round(session, truth)
    painting.paint(session, scripted.NAME, truth == 2, 2)
    session.undo()
    session.set_threshold(1, 0.5)
    autosave.flush()
    shutil.copytree(place / "session", place / "copy")
    autosave.close()
    shutil.rmtree(place / "session")
    (place / "copy").rename(place / "session")
    (place / "session" / "owner.json").unlink()
    save_model(place / "model", a_model())
    sample = phantom(0, (4, 8, 8))
    entry = LabelledVolume(sample.volume, sample.truth.astype(np.int16))
    write_dataset(place / "dataset", [entry], {1: "core", 2: "shell"})
    small = np.arange(192, dtype=np.uint8).reshape(4, 6, 8)
    write_ome_zarr(place / "image.zarr", "zyx", small)
    write_ome_zarr(place / "second.zarr", "zyx", small, version="0.4")


def records(journal: bytes) -> Iterator[bytes]:
    """Payloads of a journal, each numbered as the first of a file."""
    at = 8
    while at + 8 <= len(journal):
        length = int.from_bytes(journal[at : at + 4], "little")
        payload = journal[at + 8 : at + 8 + length]
        size = int.from_bytes(payload[:4], "little")
        head = json.loads(payload[4 : 4 + size]) | {"number": 0}
        text = json.dumps(head).encode()
        yield len(text).to_bytes(4, "little") + text + payload[4 + size :]
        at += 8 + length


def nii_2(array: np.ndarray, place: Path) -> None:
    nib.Nifti2Image(array, np.eye(4)).to_filename(place / "a.nii")


def by_itk(ending: str) -> Callable[[np.ndarray, Path], None]:
    def write(array: np.ndarray, place: Path) -> None:
        image = SimpleITK.GetImageFromArray(array)
        for packed in (False, True):
            SimpleITK.WriteImage(image, str(place / f"{packed}{ending}"), packed)

    return write


def nrrd(array: np.ndarray, place: Path) -> None:
    """Also what ITK does not write: kinds, times, segments, other packings."""
    by_itk(".nrrd")(array, place)
    raw = array.astype("<i2").tobytes()
    sizes = " ".join(str(n) for n in array.shape[::-1])
    fields = {
        "plain": f"dimension: 3\nsizes: {sizes}\nencoding: raw\n",
        "times": "dimension: 4\nsizes: 2 8 6 2\nkinds: vector domain domain time\n"
        "space: RAS\nspace directions: none (1,0,0) (0,1,0) none\nencoding: raw\n",
        "gzip": f"dimension: 3\nsizes: {sizes}\nspacings: 1 2 nan\n"
        'units: "um" "um" "mm"\nencoding: gz\n',
        "bzip2": f"dimension: 3\nsizes: {sizes}\nencoding: bz2\nbyte skip: -1\n",
        "segments": "dimension: 4\nsizes: 1 8 6 4\nkinds: list domain domain domain\n"
        "space: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\n"
        "Segment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_Name:=a\n",
    }
    packed = {"gzip": gzip.compress(raw), "bzip2": bz2.compress(raw)}
    for name, text in fields.items():
        head = f"NRRD0005\ntype: short\nendian: little\n{text}\n".encode()
        (place / f"{name}.nrrd").write_bytes(head + packed.get(name, raw))


def metaimage(array: np.ndarray, place: Path) -> None:
    """Also channels, times, other bytes first, and voxels in lists."""
    by_itk(".mha")(array, place)
    raw = array.astype(">i2").tobytes()
    head = "ObjectType = Image\nNDims = 4\nDimSize = 8 6 2 2\nElementType = MET_SHORT\n"
    head += "BinaryData = True\nElementByteOrderMSB = True\nElementSpacing = 1 1 2 1\n"
    head += "TransformMatrix = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\nOffset = 0 0 0 0\n"
    (place / "times").write_bytes(f"{head}ElementDataFile = LOCAL\n".encode() + raw)
    listed = f"{head}HeaderSize = -1\nElementDataFile = LIST\nf.mha\nf.mha\n"
    (place / "list").write_bytes(listed.encode() + raw)
    numbered = f"{head}ElementDataFile = f%03d.mha 1 2 1\n"
    (place / "numbered").write_bytes(numbered.encode())


def dicoms(array: np.ndarray, place: Path) -> None:
    """Also many frames, colours, palettes, and packed pixels."""
    dicom(array, place)
    one = pydicom.dcmread(place / "a.dcm")
    one.NumberOfFrames = 4
    one.PixelData = array.astype("<i2").tobytes()
    one.save_as(place / "frames.dcm")
    one.compress(RLELossless)
    one.save_as(place / "packed.dcm")
    colours = pydicom.dcmread(place / "a.dcm")
    colours.SamplesPerPixel, colours.PlanarConfiguration = 3, 0
    colours.PhotometricInterpretation = "RGB"
    colours.BitsAllocated, colours.BitsStored, colours.HighBit = 8, 8, 7
    colours.PixelRepresentation = 0
    colours.PixelData = array[:3].astype(np.uint8).tobytes()
    colours.save_as(place / "colours.dcm")


def jpeg(array: np.ndarray, place: Path) -> None:
    iio.imwrite(place / "a.jpg", array[0].astype(np.uint8))


def dicom(array: np.ndarray, place: Path) -> None:
    image = SimpleITK.GetImageFromArray(array[:1])
    SimpleITK.WriteImage(image, str(place / "a.dcm"))


MADE: dict[str, Callable[[np.ndarray, Path], None]] = {
    "nii-2": nii_2,
    "jpeg": jpeg,
    "nrrd": nrrd,
    "metaimage": metaimage,
    "dicom": dicoms,
}


def seeds(name: str, place: Path, templates: Path) -> None:
    """Write valid inputs of a target."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 5, (4, 6, 8)).astype(np.uint8)
    place.mkdir()
    if name in ("nii", "nii-gz"):
        ending = ".nii" if name == "nii" else ".nii.gz"
        for dtype in (np.uint8, np.int16, np.float32):
            path = place / f"{np.dtype(dtype).name}{ending}"
            nib.Nifti1Image(array.astype(dtype), np.eye(4)).to_filename(path)
    elif name == "tiff":
        for packed in (None, "zlib", "zstd", "lzw", "jpeg"):
            path = place / f"{packed}.tif"
            tifffile.imwrite(path, array, compression=packed)
        tifffile.imwrite(place / "imagej.tif", array, imagej=True)
        tifffile.imwrite(place / "ome.tif", array, ome=True)
        tifffile.imwrite(place / "tiled.tif", array, tile=(16, 16))
        colours = np.stack([array] * 3, -1)
        tifffile.imwrite(place / "rgb.tif", colours, photometric="rgb")
        planar: Any = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(place / "planar.tif", colours.transpose(0, 3, 1, 2), **planar)
        palette = np.zeros((3, 256), np.uint16)
        tifffile.imwrite(
            place / "palette.tif", array, photometric="palette", colormap=palette
        )
        tifffile.imwrite(place / "big.tif", array, bigtiff=True, byteorder=">")
    elif name in MADE:
        MADE[name](array.astype(np.int16), place)
    elif name == "png":
        for shape in ((6, 8), (6, 8, 3), (6, 8, 4)):
            picture = rng.integers(0, 255, shape).astype(np.uint8)
            iio.imwrite(place / f"{len(shape)}{shape[-1]}.png", picture)
    else:
        folder, pattern = TARGETS[name]
        found = min((templates / folder).glob(pattern))
        shutil.copy(found, place / "seed")
        if name == "session-record":
            (place / "seed").unlink()
            for number, payload in enumerate(records(found.read_bytes())):
                (place / str(number)).write_bytes(payload)


def fuzz(name: str, seconds: int, place: Path, templates: Path) -> dict[str, Any]:
    """Fuzz one target; returns what libFuzzer says of it."""
    corpus, artifacts = place / "corpus", place / "artifacts"
    place.mkdir()
    artifacts.mkdir()
    seeds(name, corpus, templates)
    words = [
        sys.executable,
        str(HERE / "target.py"),
        name,
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={RSS_MB}",
        "-timeout=20",
        "-max_len=65536",
        "-print_final_stats=1",
        f"-artifact_prefix={artifacts}/",
        str(corpus),
    ]
    environment = {**os.environ, "FUZZ_TEMPLATE": str(templates)}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment
    )
    said = done.stderr

    def stat(key: str) -> int:
        found = re.search(rf"stat::{key}:\s+(\d+)", said)
        return int(found[1]) if found else 0

    crashes = sorted(p.name for p in artifacts.iterdir())
    report: dict[str, Any] = {
        "inputs": stat("number_of_executed_units"),
        "peak_rss_mb": stat("peak_rss_mb"),
        "crashes": len(crashes),
        "status": done.returncode,
    }
    if crashes or done.returncode:
        kept = Path(tempfile.gettempdir()) / "contrastseg-fuzz" / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(artifacts, kept)
        report["kept"] = str(kept)
        report["why"] = said[-1500:]
    return report


def main() -> int:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    chosen = sys.argv[3].split(",") if len(sys.argv) > 3 else list(TARGETS)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        templates = Path(folder) / "templates"
        templates.mkdir()
        make_templates(templates)
        for name in chosen:
            report[name] = fuzz(name, seconds, Path(folder) / name, templates)
            print(name, report[name], flush=True)
    total = sum(found["inputs"] for found in report.values())
    crashes = sum(found["crashes"] for found in report.values())
    whole = {"seconds_each": seconds, "rss_limit_mb": RSS_MB, "inputs": total}
    whole |= {"crashes": crashes, "targets": report}
    if len(sys.argv) > 2 and sys.argv[2] != "-":
        Path(sys.argv[2]).write_text(json.dumps(whole, indent=1) + "\n")
    print(f"{total} inputs, {crashes} crashes")
    return int(bool(crashes) or any(f["status"] for f in report.values()))


if __name__ == "__main__":
    sys.exit(main())
