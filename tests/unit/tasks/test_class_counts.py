"""Classes counted plane by plane, held against numpy and SimpleITK."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.class_counts import (
    ALL_VOLUMES,
    ClassRow,
    Counted,
    count_classes,
    count_request,
    table_of,
    write_csv,
)
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.samples.samples import Sample


def counted(session: Session) -> list[ClassRow]:
    """Count a session's classes."""
    *_, last = count_classes(count_request(session))
    assert isinstance(last, Counted)
    return list(last.rows)


def of_array(
    spacing: tuple[float, ...], *, axis: int = 0, kind: Any = "volume", unit: Any = "mm"
) -> tuple[Session, Any]:
    """A session of an array, painted at random with two classes and background."""
    rng = np.random.default_rng(axis)
    shape = (6, 8, 7)
    volume = Volume(
        "a",
        (rng.random(shape, np.float32),),
        array_affine(np.array(spacing)),
        source=Source(unit=unit),
        kind=kind,
        axis=axis,
    )
    session = Session()
    session.add_volume(volume)
    session.add_class("core")
    session.add_class("shell")
    ink = rng.choice(np.array([0, 0, 0, 1, 2, 255], np.uint8), shape)
    keep = np.zeros(shape, bool)
    np.moveaxis(keep, axis, 0)[[1, 3, 4]] = True
    ink[~keep] = 0
    painting.paint(session, "a", ink > 0, ink[ink > 0])
    painting.mark(session, "a", 3, Status.DONE)
    return session, ink


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_painted_classes_are_counted_as_numpy_counts_them(axis: int) -> None:
    sides = [0.5, 1.0]
    sides.insert(axis, 6.0)  # slices lie along the coarsest
    session, ink = of_array(tuple(sides), axis=axis)
    record = session.records["a"]
    assert record.axis == axis
    others = tuple(a for a in range(3) if a != axis)
    for row, number in zip(counted(session), (1, 2), strict=True):
        mine = ink == number
        assert (row.volume, row.voxels, row.painted) == ("a", mine.sum(), mine.sum())
        assert row.size == pytest.approx(mine.sum() * 3 / 1000)
        assert row.unit == "ml"
        assert row.with_ink == mine.any(axis=others).sum()
        assert (row.done, row.slices) == (1, ink.shape[axis])
        assert (row.dice, row.silhouette) == (None, None)


def test_proposed_voxels_count_as_itk_counts_them(
    session: Session, sample: Sample
) -> None:
    where = np.zeros(sample.truth.shape, bool)
    where[8] = sample.truth[8] > 0
    painting.paint(session, sample.volume.id, where, sample.truth[where])
    add_round(session, sample.truth)
    labels = sitk.GetImageFromArray(session.records[sample.volume.id].prediction)
    labels.SetSpacing(sample.volume.spacing[::-1].tolist())
    by_itk = sitk.LabelStatisticsImageFilter()
    by_itk.Execute(labels, labels)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    for row, number in zip(counted(session), (1, 2), strict=True):
        assert row.voxels == by_itk.GetCount(number)
        assert row.size == pytest.approx(shape.GetPhysicalSize(number) / 1000)
        assert row.painted == (sample.truth[8] == number).sum()
        assert row.with_ink == 1


def test_sizes_have_the_unit_that_is_known() -> None:
    pixels, _ = of_array((1.0, 1.0, 1.0), unit="pixel")
    assert {(row.size, row.unit) for row in counted(pixels)} == {(None, "")}
    headers, cells = table_of(counted(pixels))
    assert not any("(" in header for header in headers)
    assert all(len(row) == len(headers) for row in cells)
    small, ink = of_array((3e-4, 3e-4, 3e-4))
    first = counted(small)[0]
    assert first.unit == "µm³"
    assert first.size == pytest.approx((ink == 1).sum() * 0.3**3)
    pictures, ink = of_array((2.0, 0.5, 2.0), kind="stack")
    first = counted(pictures)[0]
    assert first.size == pytest.approx((ink == 1).sum())
    assert first.unit == "mm²"


def test_several_volumes_have_rows_for_the_session(sample: Sample) -> None:
    session = Session()
    session.add_volume(sample.volume)
    session.add_volume(replace(sample.volume, id="other"))
    session.add_class("core")
    for name, index in ((sample.volume.id, 3), ("other", 5)):
        where = np.zeros(sample.truth.shape, bool)
        where[index, :4, :5] = True
        painting.paint(session, name, where, np.ones(20, np.uint8))
    first, second, whole = counted(session)
    assert whole.volume == ALL_VOLUMES
    assert whole.voxels == first.voxels + second.voxels == 40
    assert whole.size == pytest.approx((first.size or 0) + (second.size or 0))
    assert (whole.with_ink, whole.slices) == (2, first.slices + second.slices)


def test_a_round_says_dice_and_silhouette(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    current = session.rounds.current
    assert current is not None
    current.info.silhouette.update({"core": 0.5})
    rows = counted(session)
    assert [row.silhouette for row in rows] == [0.5, None]


def test_a_closed_case_is_counted_with_its_labels_alone() -> None:
    session, ink = of_array((1.0, 1.0, 1.0))
    record = session.records.pop("a")
    record.set_aside()
    session.closed["a"] = record
    assert [row.voxels for row in counted(session)] == [
        (ink == n).sum() for n in (1, 2)
    ]


def test_the_file_holds_what_the_table_shows(tmp_path: Path) -> None:
    session, _ = of_array((2.0, 0.5, 3.0))
    headers, cells = table_of(counted(session))
    path = tmp_path / "classes.csv"
    write_csv(path, headers, cells)
    with path.open(newline="", encoding="utf-8") as file:
        stored = list(csv.reader(file))
    assert stored[0] == headers
    assert "volume (ml)" in headers
    assert stored[1:] == [["" if c is None else str(c) for c in row] for row in cells]
