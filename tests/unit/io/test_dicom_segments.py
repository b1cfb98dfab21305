"""DICOM SEG of highdicom: on its series' slices, with names and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import count_voxels, read_labels, read_volume
from tests.kit.segmentations import SHAPE, affine_of, labels_of, write_seg

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TYPES = ["BINARY", "FRACTIONAL", "LABELMAP"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("place", ["as ITK stores axial scans", "oblique", "flipped"])
def test_a_segmentation_lies_on_its_series_slices(
    tmp_path: Path, place: str, kind: str
) -> None:
    """Whichever frames are left out, and in whatever order the slices are."""
    labels, affine = labels_of(), affine_of(place)
    series, path = write_seg(tmp_path, labels, affine, kind)
    image, mask = read_volume(series), read_volume(path)
    assert [s.name for s in mask.segments] == ["left lung", "tumour"]
    assert [s.value for s in mask.segments] == [1, 2]
    assert mask.segments[0].colour in ("#ff0000", "#fe0000", "#ff0100")
    found = np.argwhere(np.asarray(mask.data[0]))
    world = found @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    inverse = np.linalg.inv(image.affine)
    there = world @ inverse[:3, :3].T + inverse[:3, 3]
    assert np.abs(there - there.round()).max() < 0.01
    ink = np.zeros(image.shape, np.uint8)
    ink[tuple(there.round().astype(int).T)] = np.asarray(mask.data[0])[tuple(found.T)]
    assert np.array_equal(image.source.to_file_order(ink), labels)
    assert read_labels(path).data[0].max() == 2
    assert count_voxels(path) > 0


def test_frames_whose_bits_do_not_fill_bytes_are_read(tmp_path: Path) -> None:
    """9 x 7 pixels are 63 bits; the next frame begins within a byte."""
    labels = (np.random.default_rng(3).random(SHAPE) < 0.5).astype(np.uint8)
    _, path = write_seg(tmp_path, labels, affine_of("flipped"), names=["one"])
    mask = read_volume(path)
    assert np.array_equal(mask.source.to_file_order(mask.data[0]), labels)


def test_segments_that_overlap_are_refused(tmp_path: Path) -> None:
    both = np.zeros((*SHAPE[::-1], 2), np.uint8).transpose(2, 1, 0, 3)
    both[2:4, 2:4, 3, :] = 1
    with pytest.raises(InputError, match=r"mask\.dcm: has segments that overlap"):
        read_volume(write_overlap(tmp_path, both))


def write_overlap(folder: Path, both: NDArray[np.uint8]) -> Path:
    _, path = write_seg(
        folder, both.transpose(0, 1, 2, 3)[..., 0], affine_of("flipped")
    )
    seg = pydicom.dcmread(path)
    frame = seg.PerFrameFunctionalGroupsSequence[0]
    again = pydicom.dcmread(path).PerFrameFunctionalGroupsSequence[0]
    again.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 2
    seg.PerFrameFunctionalGroupsSequence = [frame, again]
    seg.NumberOfFrames = 2
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    bits = bits[: SHAPE[0] * SHAPE[1]]
    packed = np.packbits(np.r_[bits, bits], bitorder="little").tobytes()
    seg.PixelData = packed + b"\0" * (len(packed) % 2)
    seg.save_as(path)
    return path


def test_nothing_of_a_person_leaves_a_segmentation(tmp_path: Path) -> None:
    _, path = write_seg(tmp_path, labels_of(), affine_of("flipped"))
    assert "DOE" in str(pydicom.dcmread(path).PatientName)
    assert "DOE" not in repr(read_volume(path))
