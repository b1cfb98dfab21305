"""Kvasir-SEG and ISBI2012 as data sets in nnU-Net's layout, with their own splits.

Their protocols fix what trains and what tests, so a fold chooses something else: for
Kvasir-SEG the draw of the training images (fold 0 is the protocol), for ISBI2012 no
more than the seed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np
import tifffile
from PIL import Image

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.json import parse, read_json, to_plain, write_json
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.tasks.splits import Labels, Split, split_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.dataset import Dataset

#: Beside dataset.json, in data sets that bring their own split.
PROTOCOL: Final = "protocol.json"
#: Training images of Kvasir-SEG: 120 labelled ones and 480 others.
KVASIR_TRAINING = 600
#: Its masks are JPEG files: grey up to here is background.
MASK_THRESHOLD = 127
#: Slices of ISBI2012; (z, y, x) mm of its voxels.
ISBI_TRAIN, ISBI_TEST = slice(0, 15), slice(20, 30)
ISBI_VOXEL = (50e-6, 4e-6, 4e-6)


@dataclass(frozen=True)
class Protocol:
    """The split that a data set brings along.

    Attributes
    ----------
    train, test : tuple of str
        Case ids.
    training : int or None
        How many of `train` are drawn; None for all, in this order.
    slices : int or None
        Slices of the training part, where fractions count slices; else None.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    training: int | None = None
    slices: int | None = None


def protocol_of(dataset: Dataset) -> Protocol | None:
    """Read the split that a data set brings along, if it does."""
    path = dataset.root / PROTOCOL
    return parse(Protocol, read_json(path), str(path)) if path.is_file() else None


def split_of(dataset: Dataset, fold: int, *, inner: bool = False) -> Split:
    """Split by the data set's protocol, or as `split_cases` does.

    With `inner` the last quarter of the training cases are tested on, and test cases
    are not touched.
    """
    if inner:
        train = split_of(dataset, fold).train
        kept = len(train) - len(train) // 4
        return Split(train[:kept], train[kept:])
    known = protocol_of(dataset)
    if known is None:
        return split_cases(dataset, fold)
    if known.training is None:
        return Split(known.train, known.test)
    drawn = np.random.default_rng(fold).permutation(known.train)[: known.training]
    return Split(tuple(str(name) for name in drawn), known.test)


def labels_of(dataset: Dataset, fraction: float) -> Labels:
    """Turn a fraction into labelled cases, or slices where there is one volume."""
    known = protocol_of(dataset)
    if known is None or known.slices is None:
        return Labels(fraction=fraction)
    return Labels(slices=max(1, int(fraction * known.slices + 1e-9)))


def seed_of(dataset: Dataset, seed: int, fold: int) -> int:
    """Seed of a fold: its own where the split is the same in all of them."""
    known = protocol_of(dataset)
    return seed + fold if known is not None and known.training is None else seed


def name_of(dataset: Dataset) -> str:
    """Name of a data set's folder, which papers and reports are found by."""
    return dataset.root.absolute().name


def labelled_volumes(dataset: Dataset, names: Sequence[str]) -> Iterator[Volume]:
    """Read those cases that have labels, one after the other."""
    for name in names:
        case = dataset.case(name)
        if case.label is not None:
            yield dataset.read(case)


def as_dataset(source: Path, cache: Path) -> Path:
    """Give a folder in nnU-Net's layout: `source`, or what it was converted to.

    Raises
    ------
    InputError
        `source` is neither a data set nor one that can be converted.
    """
    convert = _converter(source)
    if convert is None:
        return source
    target = cache / source.name
    if (target / "dataset.json").is_file():
        return target
    part = cache / f".{uuid4().hex[:8]}-part"
    try:
        convert(source, part)
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _converter(source: Path) -> Callable[[Path, Path], None] | None:
    if (source / "dataset.json").is_file():
        return None
    if all((source / part / "images").is_dir() for part in ("train", "validation")):
        return _convert_pictures
    if all((source / name).is_file() for name in ("image.tif", "label.tif")):
        return _convert_stack
    return None


def _convert_pictures(source: Path, target: Path) -> None:
    """Turn JPEG images and masks into PNG, one case a picture."""
    images, labels = _folders(target)
    names: dict[str, list[str]] = {}
    for part in ("train", "validation"):
        for path in sorted((source / part / "images").glob("*.jpg")):
            name = f"{part}_{path.stem}"
            mask = _read_picture(source / part / "masks" / path.name, "L")
            picture = _read_picture(path, "RGB")
            if picture.shape[:2] != mask.shape:
                raise InputError(
                    f"{path}: has {picture.shape[:2]} pixels, its mask {mask.shape}; "
                    "download the data set again."
                )
            label = (mask > MASK_THRESHOLD).astype(np.uint8)
            file = images / f"{name}_0000.png"
            Image.fromarray(picture).save(file, compress_level=1)
            Image.fromarray(label).save(labels / f"{name}.png")
            names.setdefault(part, []).append(name)
    if len(names) < 2:  # noqa: PLR2004
        raise InputError(f"{source}: has no JPEG images in train or validation.")
    training = min(KVASIR_TRAINING, len(names["train"]))
    known = Protocol(tuple(names["train"]), tuple(names["validation"]), training)
    _describe(target, known, "polyp", ".png", ("red", "green", "blue"))


def _read_picture(path: Path, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return np.asarray(image.convert(mode))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as JPEG ({error}); download it again."
        ) from error


def _convert_stack(source: Path, target: Path) -> None:
    """Cut a TIFF stack into a training and a test volume."""
    images, labels = _folders(target)
    image, label = (
        np.asarray(tifffile.imread(source / name))
        for name in ("image.tif", "label.tif")
    )
    if image.shape != label.shape or len(image) < ISBI_TEST.stop:
        raise InputError(
            f"{source}: image.tif is {image.shape} and label.tif {label.shape}; both "
            f"need the same {ISBI_TEST.stop} slices, so download them again."
        )
    affine = array_affine(np.array(ISBI_VOXEL))
    for name, rows in (("train", ISBI_TRAIN), ("test", ISBI_TEST)):
        volume = Volume(name, (image[rows],), affine)
        write_mask(images / f"{name}_0000.tif", image[rows], volume)
        write_mask(labels / f"{name}.tif", label[rows] > 0, volume)
    known = Protocol(("train",), ("test",), slices=ISBI_TRAIN.stop)
    _describe(target, known, "membrane", ".tif", ("EM",))


def _folders(target: Path) -> tuple[Path, Path]:
    images, labels = target / "imagesTr", target / "labelsTr"
    for folder in (images, labels):
        folder.mkdir(parents=True)
    return images, labels


def _describe(
    target: Path, known: Protocol, name: str, ending: str, channels: tuple[str, ...]
) -> None:
    about: dict[str, Any] = {
        "channel_names": {str(i): channel for i, channel in enumerate(channels)},
        "labels": {"background": 0, name: 1},
        "numTraining": len(known.train) + len(known.test),
        "file_ending": ending,
    }
    write_json(target / PROTOCOL, to_plain(known))
    write_json(target / "dataset.json", about)
