"""Fuzz every reader for a while: python tests/fuzz/run.py [SECONDS EACH] [JSON].

Needs atheris (`pip install --group fuzz`, Linux). Seeds are valid files that are made
here. A crash is written down with the input that made it.
"""

from __future__ import annotations

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
import SimpleITK
import tifffile

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
    write_ome_zarr(place / "image.zarr", "zyx", np.zeros((4, 6, 8), np.uint8))


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


def jpeg(array: np.ndarray, place: Path) -> None:
    iio.imwrite(place / "a.jpg", array[0].astype(np.uint8))


def dicom(array: np.ndarray, place: Path) -> None:
    image = SimpleITK.GetImageFromArray(array[:1])
    SimpleITK.WriteImage(image, str(place / "a.dcm"))


MADE: dict[str, Callable[[np.ndarray, Path], None]] = {
    "nii-2": nii_2,
    "jpeg": jpeg,
    "nrrd": by_itk(".nrrd"),
    "metaimage": by_itk(".mha"),
    "dicom": dicom,
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
