"""Persons: what files say of them is in no session, model or export but DICOM SEG."""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numcodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image, PngImagePlugin
from pydicom._dicom_dict import DicomDictionary

from napari_contrastseg import cli
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.session import painting
from napari_contrastseg.session.freeze import FrozenVolumes, frozen_classes
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.exports import Output, catalogue
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import Trained, run_round
from tests.kit.dicom_series import write_series
from tests.kit.ome_zarr import write as write_ome_zarr
from tests.kit.training import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: In every text; in every identifier of DICOM; a date of birth.
NAME, UID, BORN = "QxZoePersonQx", "1.2.826.0.1.99887766", "19561231"
MARKS = (NAME, UID, BORN)
SHAPE = (6, 24, 24)
_TEXTS = {"LO", "SH", "PN", "LT", "ST", "UT", "UC"}


def values() -> Any:
    z, y, x = np.indices(SHAPE)
    return (100 + 40 * (np.hypot(y - 12, x - 12) < 6) + z + x % 3).astype(np.uint16)


def of_dicom(folder: Path) -> Path:
    """All of the dictionary's texts hold the name, also private and nested ones."""
    path = write_series(folder / "scan", values().T, np.diag([-1.0, -1.0, 2.0, 1.0]))
    for number, file in enumerate(sorted(path.iterdir())):
        one = pydicom.dcmread(file)
        for tag, (kind, count, _, retired, word) in DicomDictionary.items():
            plain = kind in _TEXTS and count == "1" and word and not retired
            if plain and tag >> 16 > 2:  # 0 and 2 are of the file itself
                one.add_new(tag, kind, NAME[:16])
        one.StudyInstanceUID, one.SeriesInstanceUID = f"{UID}.1", f"{UID}.2"
        one.FrameOfReferenceUID = f"{UID}.3"
        one.SOPInstanceUID = f"{UID}.4.{number}"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.PatientBirthDate, one.SeriesNumber = BORN, 3
        one.private_block(0x0029, NAME, create=True).add_new(1, "LO", NAME)
        inner = pydicom.Dataset()
        inner.PatientName = NAME
        one.RequestAttributesSequence = [inner]
        one.save_as(file)
    return path


def of_nifti(folder: Path) -> Path:
    image = nib.Nifti1Image(values().T, np.diag([1.0, 1.0, 2.0, 1.0]))
    for field, length in (("descrip", 80), ("aux_file", 24), ("db_name", 18)):
        image.header[field] = NAME[:length].encode()
    image.header["intent_name"] = NAME[:16].encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", NAME.encode()))
    image.to_filename(folder / "brain.nii.gz")
    return folder / "brain.nii.gz"


def of_itk(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"by_itk_{ending[1:]}{ending}"
        image = sitk.GetImageFromArray(values())
        sitk.WriteImage(image, str(path))
        raw = path.read_bytes()
        if ending == ".nrrd":
            more = f"content: {NAME}\n# {NAME}\nPatient:={NAME}\nDICOM_0010:={UID}\n"
            raw = raw.replace(b"\n\n", f"\n{more}\n".encode(), 1)
        else:
            more = f"Comment = {NAME}\nStudyID = {UID}\nPatientName = {NAME}\n"
            raw = raw.replace(b"ElementType", f"{more}ElementType".encode(), 1)
        path.write_bytes(raw)
        return path

    return make


def of_tiff(folder: Path) -> Path:
    extra = [(tag, "s", 0, NAME, True) for tag in (269, 315, 316, 33432)]
    about = {"axes": "ZYX", "spacing": 2, "unit": "mm", "Info": NAME}
    about["Labels"] = [NAME] * SHAPE[0]
    path = folder / "imagej.tif"
    tifffile.imwrite(
        path, values(), imagej=True, metadata=about, extratags=extra, software=NAME
    )
    return path


def of_ome_tiff(folder: Path) -> Path:
    path = folder / "cells.ome.tif"
    tifffile.imwrite(path, values(), ome=True, metadata={"axes": "ZYX", "Name": NAME})
    with tifffile.TiffFile(path) as tif:
        assert tif.ome_metadata is not None
        xml = tif.ome_metadata
    person = f'<Experimenter ID="Experimenter:0" LastName="{NAME}" Email="{NAME}"/>'
    xml = xml.replace("<Image ", f"{person}<Image ", 1)
    xml = xml.replace("<Pixels ", f"<Description>{NAME}</Description><Pixels ", 1)
    tifffile.imwrite(path, values(), description=xml.encode(), metadata=None)
    return path


def of_ome_zarr(folder: Path) -> Path:
    path = write_ome_zarr(folder / "image.zarr", "zyx", values(), unit="millimeter")
    file = path / "zarr.json"
    about = json.loads(file.read_text())
    ome = about["attributes"]["ome"]
    ome["multiscales"][0] |= {"name": NAME, "metadata": {"by": NAME}}
    ome["omero"] |= {"name": NAME, "rdefs": {"user": NAME}}
    about["attributes"]["patient"] = NAME
    file.write_text(json.dumps(about))
    return path


def of_png(folder: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", NAME)
    info.add_itxt("Comment", NAME, zip=True)
    Image.fromarray(values()[0]).save(folder / "picture.png", pnginfo=info)
    return folder / "picture.png"


def of_jpeg(folder: Path) -> Path:
    exif = Image.Exif()
    exif[315] = exif[270] = NAME
    path = folder / "photo.jpg"
    grey = values()[0].astype(np.uint8)
    Image.fromarray(grey).save(path, exif=exif, comment=NAME.encode())
    return path


INPUTS = (
    of_dicom, of_nifti, of_itk(".nrrd"), of_itk(".mha"), of_tiff, of_ome_tiff,
    of_ome_zarr, of_png, of_jpeg,
)  # fmt: skip


def unpacked(raw: bytes) -> Iterator[bytes]:
    """Bytes, and what is packed within them."""
    yield raw
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for name in archive.namelist():
            yield name.encode()
            yield from unpacked(archive.read(name))
    for start, wbits in ((b"\x1f\x8b\x08", 31), (b"\x78", 15)):
        at = raw.find(start)
        while at >= 0:
            with suppress(zlib.error):
                inside = zlib.decompressobj(wbits).decompress(raw[at:])
                if len(inside) > 8:
                    yield inside
            at = raw.find(start, at + 1) if wbits == 31 else -1
    for magic, codec in (
        (b"\x28\xb5\x2f\xfd", numcodecs.Zstd()),
        (b"\x02\x01", numcodecs.Blosc()),
    ):
        if raw.startswith(magic):
            with suppress(Exception):
                yield bytes(codec.decode(raw))


def marks_in(place: Path) -> dict[str, list[str]]:
    """The marks found in the files of a folder, in whatever letters, by file."""
    found: dict[str, list[str]] = {}
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    for path in files:
        if not path.is_file():
            continue
        for part in unpacked(path.read_bytes()):
            for mark in MARKS:
                forms = [mark.encode(), mark.encode("utf-16-le")]
                if mark == NAME:  # fields that are short hold the beginning
                    forms.append(NAME[:12].encode())
                if any(form in part for form in forms) or mark in path.name:
                    found.setdefault(str(path.relative_to(place)), []).append(mark)
    return found


def trained(session: Session) -> None:
    """A round of a few steps, with its proposals."""
    settings = settings_of(recipe_named("supervised"), "sound")
    asked = TrainRequest(
        volumes=FrozenVolumes(session),
        classes=frozen_classes(session),
        slices=session.slices,
        recipe="supervised",
        settings=replace(settings, network=SMALL, batch=2),
        budget=Budget(steps=2),
        device="cpu",
    )
    model, found = None, {}
    for event in run_round(resolve_here(asked)):
        if isinstance(event, Trained):
            model = event.model
        elif isinstance(event, Predicted):
            said = event.prediction
            found[event.volume_id] = Proposal(1, said.labels, said.confidence)
    assert model is not None
    info = RoundInfo(1, "supervised", 2, 1.0)
    session.add_round(Round(info, model, Proposals(found)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nobody_is_named_in_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    paths = [make(inputs) for make in INPUTS]
    for path in paths:
        assert marks_in(path), f"the search does not find the mark in {path.name}"
    session = Session()
    autosave = Autosave(session, out / "autosaved", print)
    for path in paths:
        session.add_volume(read_volume(path))
    core = session.add_class("core")
    for name, record in session.records.items():
        bright = np.asarray(record.volume.data[0]) > 135
        painting.paint(session, name, bright, core)
        painting.mark(session, name, 0, Status.DONE)
    trained(session)
    autosave.flush()
    save_session(session, out / "saved")
    for name, export in catalogue().items():
        list(export.write(session, export.options, Output(out / f"as {name}")))
    words = [
        "predict",
        out / "as model" / "model",
        inputs / "scan",
        "--out",
        out / "shell",
        "--confidence",
        "--device",
        "cpu",
        "--json",
        out / "shell.json",
    ]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    autosave.close()
    found = marks_in(out)
    segmentations = {name for name in found if name.startswith("as dicom_seg")}
    assert {*found} == segmentations
    assert len(segmentations) == 1
