"""Any layer: each kind works, or is refused with one sentence before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import zarr

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.exports import Output, export_named
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.learn.panel import LearnSettings
from tests.kit.window import NAME, wait_idle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample

pytestmark = pytest.mark.viewer
RNG = np.random.default_rng(0)
BASE = RNG.normal(100, 20, (5, 20, 24))


def as_zarr(array: NDArray[Any]) -> Any:
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=array.shape, dtype=array.dtype
    )
    store[...] = array
    return store


def with_holes(array: NDArray[Any]) -> NDArray[Any]:
    made = array.copy()
    made[1, :4], made[2, :4] = np.nan, np.inf
    return made


WORKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "float64": (BASE, {}),
    "float16": (BASE.astype(np.float16), {}),
    "big-endian": (BASE.astype(">i2"), {}),
    "uint64 with an offset": (BASE.astype(np.uint64) + np.uint64(2**40), {}),
    "bool": (BASE > 100, {}),
    "huge values": (BASE * 1e300, {}),
    "holes": (with_holes(BASE), {}),
    "one slice": (BASE[:1], {}),
    "plane": (BASE[0], {}),
    "RGB": (RNG.integers(0, 255, (20, 24, 3)).astype(np.uint8), {"rgb": True}),
    "dask": (dask.array.from_array(BASE, (1, 20, 24)), {}),  # type: ignore[no-untyped-call]
    "zarr": (as_zarr(BASE), {}),
    "read-only": (np.broadcast_to(BASE, BASE.shape), {}),
    "transposed": (np.asfortranarray(BASE)[::-1].transpose(0, 2, 1), {}),
    "scaled and moved": (BASE, {"scale": (3, 1, 1), "translate": (9, -4, 2)}),
    "turned in the plane": (BASE, {"rotate": (0, 0, 30)}),
    "tilted": (BASE, {"scale": (2, 1, 1), "rotate": (0, 45, 0)}),
    "multiscale": ([BASE, BASE[:, ::2, ::2]], {"multiscale": True}),
}


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(list(WORKS)[::4], id="some"),
        pytest.param(list(WORKS), id="all", marks=pytest.mark.slow),
    ],
)
def test_it_works_from_the_layer_to_the_mask(
    window: tuple[Any, Any],
    tmp_path: Path,
    subtests: pytest.Subtests,
    kinds: list[str],
) -> None:
    """In one window: to open another for each takes longer than all the rest."""
    viewer, widget = window
    for kind in kinds:
        data, about = WORKS[kind]
        with subtests.test(kind):
            layer = viewer.add_image(data, name="image", **about)
            widget.data_controller.add_layers([layer])
            label_and_export(widget, tmp_path / kind)
        widget.session_controller.begin_new()
        widget.workspace.work.finish()
        viewer.layers.clear()


def label_and_export(widget: Any, folder: Path) -> None:
    """Paint a voxel, export it, take it back; a network can read the image."""
    session = widget.workspace.session
    (record,) = session.records.values()
    ink = widget.workspace.registry.layer("image", "ink")
    place = (0, 4, 5)[-ink.ndim :]
    ink.data_setitem(tuple(np.array([i]) for i in place), 1)
    assert record.ink[0, 4, 5] == 1
    widget.workspace.go_to(0)
    assert widget.workspace.current_slice == 0
    widget.data_controller.toggle_done()
    assert record.status[0] == Status.DONE
    options = MaskOptions(".tif", complete=False)
    masks = export_named("masks")
    list(masks.write(session, options, Output(folder)))
    back = read_labels(folder / "image.tif").data[0]
    assert np.array_equal(back, mask_of(record, complete=False))
    widget.workspace.undo()
    widget.workspace.undo()
    assert not record.ink.any()
    from napari_contrastseg.learning.data.slice_axes import input_spec
    from napari_contrastseg.learning.data.slice_reader import SliceReader

    record.volume.slice(record.axis, 0)
    spec = input_spec([record.volume], 0, 1)
    image = SliceReader(record.volume, spec).image(0)
    assert image.isfinite().all()
    assert image.std() > 0.05


@pytest.mark.slow
def test_rounds_are_compared(
    loaded: tuple[Any, Any, Sample],
    qtbot: QtBot,
) -> None:
    viewer, widget, _ = loaded
    for _ in range(2):
        widget.learn_controller.start(
            "fine-tune", LearnSettings("supervised", minutes=0.01)
        )
        wait_idle(qtbot, widget)
    assert widget.review.other.isEnabled()
    widget.review.other.setCurrentIndex(1)
    widget.review.other.activated.emit(1)
    assert "differs in" in widget.review.compared.text()
    assert widget.review.other.currentText() == "round 1"
    session = widget.workspace.session
    one, two = (r.proposals[NAME].prediction for r in session.rounds)
    shown = widget.workspace.registry.layer(NAME, "difference").data
    assert np.array_equal(shown > 0, one != two)
    assert viewer.layers.selection.active is widget.workspace.registry.layer(
        NAME, "ink"
    )
    widget.review.other.activated.emit(0)
    assert widget.review.other.currentText() == "nothing"
    assert widget.workspace.registry.layer(NAME, "difference") is None
