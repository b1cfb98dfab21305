"""Export masks: one file a volume, on the image's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Annotated, Final

from napari_contrastseg.io.csv_table import write_csv
from napari_contrastseg.io.formats import catalogue, mask_ending
from napari_contrastseg.io.images import file_stems, write_mask
from napari_contrastseg.io.plural import plural
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
from napari_contrastseg.tasks.instances import COLUMNS, INSTANCES, all_instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session


#: Instead of an ending: a folder for each volume, with a PNG for each slice.
FOLDER: Final = "folder"
#: Instead of an ending: that of each volume's own image.
OWN: Final = "own"
_NIFTI: Final = ".nii.gz"


def endings() -> Mapping[str, str]:
    """List the endings of formats that hold many slices, each under its title."""
    found = {
        f"{one.title} ({one.written[0]})": one.written[0]
        for one in catalogue().values()
        if one.many_slices and one.written
    }
    others = {"OME-TIFF (.ome.tif)": ".ome.tif", "PNG, one a slice": FOLDER}
    return {"as the image": OWN} | found | others


@dataclass(frozen=True)
class MaskOptions:
    """How masks are written."""

    ending: Annotated[
        str,
        Setting(
            "As the image, a mask lies on it in other programs, NIfTI where the "
            "image's own format is only read. NIfTI keeps the place in the world; TIFF "
            "the voxel size and its unit; PNG has the names and sizes of a folder's "
            "pictures.",
            choices=endings(),
            label="format",
        ),
    ] = OWN
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
    instances: Annotated[str, INSTANCES] = "none"


def run(session: Session, options: MaskOptions, output: Output) -> Iterator[Path]:
    """Write one mask a volume, where its labels came from, and its instances."""
    if options.complete:
        derive_missing(session)
    ids = list(session.all_records)
    wanted = {"origin": options.origin, "instances": options.instances != "none"}
    kinds = [kind for kind, chosen in wanted.items() if chosen]
    stems = file_stems([*ids, *(f"{name}_{kind}" for kind in kinds for name in ids)])
    volumes = [record.volume for record in session.all_records.values()]
    each = [ending_for(volume, options.ending) for volume in volumes]
    numbers = stems[-len(ids) :] if wanted["instances"] else []
    paths = output.claim(
        *map("".join, zip(stems, cycle(each))),
        *(f"{stem}.csv" for stem in numbers),
    )
    of_each = (paths[number :: len(ids)] for number in range(len(ids)))
    for record, files in zip(session.all_records.values(), of_each, strict=True):
        made = mask_of(record, complete=options.complete)
        classes = classes_in(session, made)
        write_mask(files[0], numbered(made, classes, options.numbers), record.volume)
        yield files[0]
        if wanted["origin"]:
            write_mask(files[1], record.origin, record.volume)
            yield files[1]
        if wanted["instances"]:
            found = all_instances(record, made, classes, options.instances)
            write_mask(files[-2], found.numbers, record.volume)
            yield files[-2]
            write_csv(files[-1], found.rows, COLUMNS)
            yield files[-1]


def ending_for(volume: Volume, ending: str) -> str:
    """Give the ending of a volume's mask, ``""`` for a folder of pictures."""
    source = volume.source
    if ending == OWN:
        if source.path is None:
            return _NIFTI
        return mask_ending(source.path, source.file_format)
    return "" if ending == FOLDER else ending


def note(session: Session, options: MaskOptions) -> str:
    """Say which formats masks have, and where they do not lie on their images."""
    titles: set[str] = set()
    off: list[str] = []
    for name, record in session.all_records.items():
        volume = record.volume
        ending = ending_for(volume, options.ending)
        kind = catalogue().get(volume.source.file_format)
        if kind is None or volume.anatomical:
            continue  # never a file, or with a place that NIfTI keeps
        if ending == _NIFTI:
            off.append(f"{name} ({kind.title})")
        elif options.ending == OWN:
            titles.add(kind.title)
    said = []
    if titles:
        said.append(f"Masks are {' and '.join(sorted(titles))}, as their images are.")
    if off:
        others = f" and of {plural(len(off) - 1, 'other')}" if len(off) > 1 else ""
        remedy = "the export OME-Zarr writes one that does"
        if options.ending != OWN:
            remedy = f"choose the format of the image; for OME-Zarr {remedy}"
        said.append(
            f"As NIfTI the mask of {off[0]}{others} does not lie on the image in "
            f"ITK-SNAP or 3D Slicer; {remedy}."
        )
    return " ".join(said)


EXPORT = Export(
    name="masks",
    title="Masks",
    summary="One mask a volume",
    options=MaskOptions(),
    missing=missing_volume,
    run=run,
    note=note,
)
