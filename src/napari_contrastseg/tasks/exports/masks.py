"""Export masks: one file a volume, on the image's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Final

from napari_contrastseg.io.formats import catalogue
from napari_contrastseg.io.images import file_stems, write_mask
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.derive import derive_missing
from napari_contrastseg.tasks.exported_masks import (
    CONTENT,
    NUMBERS,
    classes_in,
    missing_volume,
    numbered,
)
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_contrastseg.session.session import Session


#: Instead of an ending: a folder for each volume, with a PNG for each slice.
FOLDER: Final = "folder"


def endings() -> Mapping[str, str]:
    """List the endings of formats that hold many slices, each under its title."""
    found = {
        f"{one.title} ({one.written[0]})": one.written[0]
        for one in catalogue().values()
        if one.many_slices and one.written
    }
    return found | {"OME-TIFF (.ome.tif)": ".ome.tif", "PNG, one a slice": FOLDER}


@dataclass(frozen=True)
class MaskOptions:
    """How masks are written."""

    ending: Annotated[
        str,
        Setting(
            "NIfTI keeps the place in the world; TIFF the voxel size and its unit; PNG "
            "has the names and sizes of a folder's pictures.",
            choices=endings(),
            label="format",
        ),
    ] = ".nii.gz"
    complete: Annotated[bool, CONTENT] = True
    origin: Annotated[
        bool,
        Setting(
            "Beside each mask a file NAME_origin: 1 painted, 2 corrected, 3 accepted, "
            "also 4 from interpolation, 5 live, 6 network with interpolation; 0 none.",
            label="with origins",
        ),
    ] = False
    numbers: Annotated[str, NUMBERS] = "own"


def run(session: Session, options: MaskOptions, output: Output) -> Iterator[Path]:
    """Write one mask a volume, and where its labels came from."""
    if options.complete:
        derive_missing(session)
    records = session.all_records
    ids = list(records)
    wanted = ids + [f"{name}_origin" for name in ids if options.origin]
    stems = file_stems(wanted)
    ending = "" if options.ending == FOLDER else options.ending
    paths = output.claim(*(f"{stem}{ending}" for stem in stems))
    masks, origins = paths[: len(ids)], paths[len(ids) :]
    for record, mask, origin in zip_longest(
        session.all_records.values(), masks, origins
    ):
        made = mask_of(record, complete=options.complete)
        classes = classes_in(session, made)
        write_mask(mask, numbered(made, classes, options.numbers), record.volume)
        yield mask
        if origin is not None:
            write_mask(origin, record.origin, record.volume)
            yield origin


EXPORT = Export(
    name="masks",
    title="Masks",
    summary="One mask a volume",
    options=MaskOptions(),
    missing=missing_volume,
    run=run,
)
