"""Arrays of large volumes take no anonymous memory in proportion to the volume."""

from __future__ import annotations

import sys

import pytest

from tests.kit.memory import anonymous_growth

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_BEFORE = """
import numpy as np, tempfile
from dataclasses import replace
from pathlib import Path
from napari_contrastseg.io.images import write_map, write_mask
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.session import mask_ink, painting, review
from napari_contrastseg.session.editing.tools import (
    FILL_HOLES, KEEP_LARGEST, REMOVE_SMALL, Asked, through_all
)
from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.rounds import compare
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal, mask_of
from napari_contrastseg.tasks.derive import derive_request, labelled_volume
from napari_contrastseg.tasks.exported_masks import classes_in
from napari_contrastseg.tasks.instances import all_instances, shown_instances
from napari_contrastseg.tasks.train import completed
import zarr
shape = ({planes}, 512, 512)
image = np.broadcast_to(np.zeros(1, np.uint8), shape)
volume = replace(phantom(0, (8, 12, 14)).volume, data=(image,))
made = []
"""
_ADD = """
session = Session()
record = session.add_volume(volume)
session.add_class()
for array in (record.ink, record.origin, record.rejected):
    array[:] = 1
record.note_all_work()
proposal = Proposal(1, zeros(shape, np.uint8), zeros(shape, np.float16))
proposal.prediction[:], proposal.confidence[:] = 1, 0.5
record.propose(proposal)
record.refresh(session.all_thresholds())
"""
_PROPOSED = """
session = Session()
record = session.add_volume(volume)
session.add_class()
proposal = Proposal(1, zeros(shape, np.uint8), zeros(shape, np.float16))
proposal.prediction[:, 100:300, 100:300], proposal.confidence[:] = 1, 0.5
proposal.prediction[::3, 400:404, 400:404] = 1
record.propose(proposal)
record.refresh(session.all_thresholds())
folder = Path(tempfile.mkdtemp())
"""
_STEPS = {
    "add and propose": ("", _ADD),
    "freeze": (_ADD, "made.append(FrozenVolumes(session)[0].target)"),
    "mask": (_ADD, "made.append(mask_of(record, complete=False))"),
    "save": (_ADD, "save_session(session, Path(tempfile.mkdtemp()) / 's')"),
    "load": (
        _ADD
        + "\nrecord.rejected[:] = 0\nfolder = Path(tempfile.mkdtemp()) / 's'"
        + "\nsave_session(session, folder)",
        "made.append(load_session(folder))",
    ),
    "pieces": (_PROPOSED, "made.append(record.look_at_pieces([1]))"),
    "instances": (
        _PROPOSED,
        "made.append(all_instances(record, record.prediction, session.classes));"
        " made.extend(shown_instances(record, 1, proposed=True))",
    ),
    "accept a class": (
        _PROPOSED,
        "review.accept_class(session, volume.id, 1, 'prediction'); session.undo()",
    ),
    "reject a class": (_PROPOSED, "review.reject_class(session, volume.id, 1)"),
    "edit all slices": (
        _PROPOSED
        + "\nrecord.ink[:] = proposal.prediction; record.status[:] = Status.SPARSE"
        + "\nrecord.ink[:, 200, 200] = 0",
        "[painting.change_ink(session, volume.id, through_all(record, tool, Asked(1)),"
        " tool.name) for tool in (FILL_HOLES, REMOVE_SMALL, KEEP_LARGEST)]",
    ),
    "take a mask": (
        _PROPOSED,
        "mask_ink.take_ink(session, volume.id, proposal.prediction, done='labelled')",
    ),
    "derive": (
        _PROPOSED
        + "\nfor z in (3, 9): painting.paint(session, volume.id,"
        + " np.broadcast_to((np.arange(len(image)) == z)[:, None, None], shape), 1);"
        + " painting.mark(session, volume.id, z, Status.DONE)",
        "made.append(labelled_volume(derive_request(session, volume.id)))",
    ),
    "complete labels": (
        _PROPOSED + "\ntarget = zeros(shape, np.int16)",
        "made.append(completed(TrainingVolume(volume, target),"
        " Prediction(proposal.prediction, proposal.confidence)))",
    ),
    "compare rounds": (_PROPOSED, "made.append(compare(proposal, proposal))"),
    "write a mask": (
        _PROPOSED,
        "classes_in(session, proposal.prediction);"
        " write_mask(folder / 'm.nii', proposal.prediction, volume)",
    ),
    "write a map": (
        _PROPOSED,
        "write_map(folder / 'm.nii', proposal.confidence, volume)",
    ),
}


#: Steps of which one run in the default suite says enough.
_ALIKE = (
    "write a map",
    "complete labels",
    "compare rounds",
    "take a mask",
    "derive",
    "edit all slices",
    "instances",
    "reject a class",
)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=pytest.mark.slow if step in _ALIKE else ())
        for step in _STEPS
    ],
)
def test_what_a_step_takes_does_not_grow_with_the_volume(step: str) -> None:
    """At 8 and 32 million voxels, each with some nine bytes of arrays."""
    before, measured = _STEPS[step]
    small, large = (
        anonymous_growth(
            _BEFORE.format(planes=planes) + before, measured, memory="4 MB"
        )
        for planes in (32, 128)
    )
    assert large - small < 24 * 2**20, (small, large)


_OF_A_PICTURE = (
    _PROPOSED
    + """
review.accept_slice(session, volume.id, 0); session.undo()
review.reject_slice(session, volume.id, 0); session.undo()
review.accept_class(session, volume.id, 1, 'prediction')
record.set_aside(); record.take_up()
"""
    + "\n".join(
        _STEPS[name][1] for name in ("mask", "complete labels", "compare rounds")
    )
    + """
list(count_classes(count_request(session)))
for export in map(export_named, ('masks', 'tables')):
    list(export.write(session, export.options, Output(folder, overwrite=True)))
"""
)


def test_what_a_picture_takes_does_not_grow_with_it() -> None:
    """One slice of 4 and 16 million pixels: labels are walked through by rows."""
    small, large = (
        anonymous_growth(
            _BEFORE.format(planes=1).replace("512, 512", f"{side}, {side}")
            + """
from napari_contrastseg.tasks.class_counts import count_classes, count_request
from napari_contrastseg.tasks.exports import Output, export_named
target = zeros(shape, np.int16)
""",
            _OF_A_PICTURE,
            memory="4 MB",
        )
        for side in (2048, 4096)
    )
    assert large - small < 24 * 2**20, (small, large)


_FILES = """
import gzip, numpy as np, nibabel as nib, SimpleITK, tempfile, tifffile, zarr
from pathlib import Path
from PIL import Image
from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.session.session import Session
plane = np.random.default_rng(0).integers(0, 250, (512, 512)).astype(np.uint8)
values = np.stack([np.roll(plane, n) for n in range({planes})])
folder = Path(tempfile.mkdtemp())
nib.Nifti1Image(values.T, np.eye(4)).to_filename(folder / "a.nii")
with gzip.open(folder / "b.nii.gz", "wb", 1) as file:
    file.write((folder / "a.nii").read_bytes())
for ending in (".nrrd", ".mha"):
    image = SimpleITK.GetImageFromArray(values)
    SimpleITK.WriteImage(image, str(folder / f"c{{ending}}"))
    SimpleITK.WriteImage(image, str(folder / f"d{{ending}}"), True, 1)
tifffile.imwrite(folder / "e.tif", values)
how = dict(tile=(256, 256), compression="zlib", compressionargs=dict(level=1))
tifffile.imwrite(folder / "f.tif", values, **how)
group = zarr.open_group(folder / "g.ome.zarr", mode="w")
group.create_array("0", data=values, chunks=(16, 128, 128))
step = dict(type="scale", scale=[1, 1, 1])
axes = [dict(name=letter, type="space") for letter in "zyx"]
levels = [dict(path="0", coordinateTransformations=[step])]
group.attrs["ome"] = dict(version="0.5", multiscales=[dict(axes=axes, datasets=levels)])
(folder / "h").mkdir()
for number, one in enumerate(values):
    Image.fromarray(one).save(folder / "h" / f"{{number}}.png", compress_level=1)
paths = sorted(folder.iterdir())
del values, image
"""
_READ = """
for path in paths:
    volume = read_volume(path, choice=Choice("slices" if path.name == "h" else ""))
    Session().add_volume(volume)
    assert np.array_equal(volume.slice(0, 5)[0].sum(), np.roll(plane, 5).sum())
"""


def test_what_an_image_takes_does_not_grow_with_it() -> None:
    """Read, added and looked at: of 4 and 16 MB, in every format."""
    small, large = (
        anonymous_growth(_FILES.format(planes=planes), _READ, memory="2 MB")
        for planes in (16, 64)
    )
    assert large - small < 6 * 2**20, (small, large)
