"""DICOM series of a file a slice, made by pydicom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PATIENT = {"PatientName": "DOE^JANE", "PatientID": "4711", "PatientBirthDate": ""}


def write_series(
    folder: Path,
    values: NDArray[np.uint16],
    affine: NDArray[np.float64],
    **fields: Any,
) -> Path:
    """Write (i, j, k) values, a file for each k; names do not follow places.

    Parameters
    ----------
    affine : (4, 4) float
        Index to world, mm, RAS+; its third axis is the cross product of the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    sides = np.linalg.norm(lps[:, :3], axis=0)
    study, series, world = generate_uid(), generate_uid(), generate_uid()
    for k in range(values.shape[2]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = MRImageStorage
        one.SOPInstanceUID = generate_uid()
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID = study, series
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = world, ""
        one.Modality, one.SeriesNumber, one.InstanceNumber = "MR", 3, k + 1
        one.StudyID = one.AccessionNumber = one.ReferringPhysicianName = ""
        one.StudyDate = one.StudyTime = one.PatientSex = one.Manufacturer = ""
        one.ImageOrientationPatient = (lps[:, :2] / sides[:2]).T.ravel().tolist()
        one.ImagePositionPatient = (lps[:, 2] * k + lps[:, 3]).tolist()
        one.PixelSpacing = [sides[1], sides[0]]
        one.SliceThickness = sides[2]
        one.Rows, one.Columns = values.shape[1], values.shape[0]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 0
        one.PixelData = np.ascontiguousarray(values[:, :, k].T).tobytes()
        for name, value in (PATIENT | fields).items():
            setattr(one, name, value)
        number = (k * 3 + 1) % values.shape[2]
        one.save_as(folder / f"IM{number:03d}", enforce_file_format=True)
    return folder
