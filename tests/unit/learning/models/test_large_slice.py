"""Prediction map by map, and by tiles, says what whole slices say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models import large_slice, slice_tiles
from napari_contrastseg.learning.models import predict as prediction
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.large_slice import resampled_rows
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.models.predict import Prediction, predict_volume
from napari_contrastseg.learning.models.slice_tiles import SliceTiles
from napari_contrastseg.learning.networks import map_by_map
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.pass_size import PassSize
from napari_contrastseg.learning.runtime.rng import Randomness
from tests.kit.pictures import picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.predict import JoinSlice

CPU = torch.device("cpu")
#: As much as a slice, and a tile, may hold in these tests.
WHOLE, TILE = 2**15, 2**16
PLAIN, WIDER = NetworkSpec((4, 8, 16)), NetworkSpec((8, 16, 32))
TWO_DECODERS = NetworkSpec((4, 8, 16), "group", "batch", peer=True)


def a_model(spec: NetworkSpec, mirror: tuple[int, ...] = ()) -> Model:
    inputs = InputSpec(("image",), 0, 1, (1.0, 1.0), mirror)
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, bool(mirror), 0)
    with Randomness(0).scope():
        return Model(card, build_network(spec, inputs, 2))


def small_passes(monkeypatch: pytest.MonkeyPatch, kept: int = 0, part: int = 1) -> None:
    """Keep so many bytes of maps; with none, slices go by tiles."""
    monkeypatch.setattr(slice_tiles, "MOST_KEPT", kept)

    class Small(PassSize):
        def __init__(self, *_: object) -> None:
            super().__init__(CPU, 1)
            self.whole, self.tile = WHOLE // part, TILE // part

    monkeypatch.setattr(prediction, "PassSize", Small)


def last(model: Model, volume: Volume, join: JoinSlice | None = None) -> Prediction:
    *_, found = predict_volume(model, volume, CPU, join=join)
    assert isinstance(found, Prediction)
    return found


def assert_alike(found: Prediction, whole: Prediction) -> None:
    apart = np.abs(found.confidence.astype(float) - whole.confidence)
    assert apart.max() < 1e-3 + 2**-12, "half precision rounds by 2**-12"
    differ = found.labels != whole.labels
    assert differ.mean() < 5e-3, "where two classes are as likely"


@pytest.mark.parametrize(
    ("spec", "mirror"),
    [
        (PLAIN, (2,)),
        pytest.param(PLAIN, (0, 1), marks=pytest.mark.slow),
        (TWO_DECODERS, ()),
    ],
)
def test_tiles_say_what_whole_slices_say(
    monkeypatch: pytest.MonkeyPatch, spec: NetworkSpec, mirror: tuple[int, ...]
) -> None:
    model, volume = a_model(spec, mirror), picture(206, 257)
    whole = last(model, volume)
    small_passes(monkeypatch, part=2)
    assert_alike(last(model, volume), whole)


@pytest.mark.parametrize(("may_differ", "most"), [(1e-3, 3), (0.5, 1)])
def test_a_huge_slice_is_predicted_again_where_its_parts_were_no_sample(
    monkeypatch: pytest.MonkeyPatch, may_differ: float, most: int
) -> None:
    """A network that learned nothing is sure nowhere: no harder case is known."""
    model, volume = a_model(PLAIN), picture(304, 360)
    whole = last(model, volume)
    small_passes(monkeypatch)
    for name, value in {
        "HUGE": 300 * 350, "PARTS": 4, "PART_SIDE": 64
    }.items():  # fmt: skip
        monkeypatch.setattr(slice_tiles, name, value)
    monkeypatch.setattr(large_slice, "MAY_DIFFER", may_differ)
    maps, passes = SliceTiles.maps, []

    def counted(self: SliceTiles, index: int, *rest: Any, counts: bool = False) -> Any:
        passes.extend([index] * counts)
        return maps(self, index, *rest, counts=counts)

    monkeypatch.setattr(SliceTiles, "maps", counted)
    *events, found = predict_volume(model, volume, CPU)
    assert isinstance(found, Prediction)
    fractions = [event for event in events if isinstance(event, float)]
    assert fractions == sorted(fractions)
    agrees = (found.labels == whole.labels).mean()
    assert 1 <= passes.count(0) <= most
    assert (agrees > 0.999) == (most > 1)


@pytest.mark.parametrize("mirror", [(), (0, 1), (2,)])
def test_maps_say_what_whole_slices_say(
    monkeypatch: pytest.MonkeyPatch, mirror: tuple[int, ...]
) -> None:
    model, volume = a_model(PLAIN, mirror), picture(146, 182)
    whole = last(model, volume)
    small_passes(monkeypatch, 2**30, part=4)
    monkeypatch.setattr(map_by_map, "STRIP_PIXELS", 25 * 182)
    monkeypatch.setattr(UNet, "encode", None)  # nothing goes through whole, or by tiles
    assert_alike(last(model, volume), whole)


def no_room(*_: object) -> None:
    raise InputError("the disk has no room")


def no_memory(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    "fails", [no_room, pytest.param(no_memory, marks=pytest.mark.slow)]
)
def test_without_room_for_maps_it_goes_on_by_tiles(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[..., None]
) -> None:
    model, volume = a_model(PLAIN), picture(206, 257)
    whole = last(model, volume)
    small_passes(monkeypatch, 2**30, part=2)
    monkeypatch.setattr(map_by_map, "zeros", fails)
    assert_alike(last(model, volume), whole)


@pytest.mark.parametrize("joins", [False, True])
def test_tiles_on_other_pixels_say_what_whole_slices_say(
    monkeypatch: pytest.MonkeyPatch, *, joins: bool
) -> None:
    """The network's pixels are longer along rows and shorter along columns."""
    model, volume = a_model(PLAIN), picture(200, 90, (0.7, 1.5))
    asked = []

    def join(index: int, plane: Any) -> Any:
        asked.append((index, plane.shape))
        return plane

    whole = last(model, volume)
    small_passes(monkeypatch, part=4)
    assert_alike(last(model, volume, join if joins else None), whole)
    assert asked == ([(n, (3, 200, 90)) for n in range(2)] if joins else [])


def test_some_rows_are_resampled_as_torch_does() -> None:
    maps = np.random.default_rng(0).random((3, 40, 57)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], (61, 33), mode="bilinear"
    )
    found = [
        resampled_rows(maps, (61, 33), rows)
        for rows in np.split(np.arange(61), (7, 40))
    ]
    assert torch.cat(found, dim=2).numpy() == pytest.approx(wanted.numpy(), abs=1e-5)


def test_prediction_goes_on_by_tiles_where_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, volume = a_model(WIDER), picture(170, 190)
    whole = last(model, volume)
    monkeypatch.setattr(slice_tiles, "MOST_KEPT", 0)
    least = 150 * 150
    forward, seen = UNet.forward, []

    def run_out(network: UNet, x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x) * x.shape[-2] * x.shape[-1])
        if seen[-1] > least:
            raise MemoryError
        return forward(network, x)

    monkeypatch.setattr(UNet, "forward", run_out)
    found = last(model, volume)
    assert seen[0] > least
    assert seen[-1] <= least
    assert_alike(found, whole)


def test_a_part_of_a_slice_is_what_it_is_of_the_whole() -> None:
    """In every order in which the network may want the volume's axes."""
    volume = replace(picture(30, 41), source=picture(1, 1).source)
    for rows, columns in (((1, 0, 0), (0, 1, 0)), ((0, -1, 0), (-1, 0, 0))):
        spec = InputSpec(
            ("image",), 0, 1, (1.0, 1.0), (), frame=((0, 0, 1), rows, columns)
        )
        reader = SliceReader(volume, spec)
        whole = reader.image(1)
        part = SliceReader(volume, spec).window(1, slice(3, 17), slice(5, 29))
        assert torch.equal(part, whole[:, 3:17, 5:29])


def test_cancelling_waits_for_one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    small_passes(monkeypatch, part=2)
    pixels: list[int] = []
    forward = UNet.forward

    def counted(network: UNet, x: torch.Tensor) -> torch.Tensor:
        pixels.append(len(x) * x.shape[-2] * x.shape[-1])
        return forward(network, x)

    monkeypatch.setattr(UNet, "forward", counted)
    events: Iterator[Any] = predict_volume(a_model(PLAIN, (0,)), picture(206, 257), CPU)
    between = []
    before = 0
    for _ in events:
        between.append(sum(pixels) - before)
        before = sum(pixels)
    assert max(between) <= TILE // 2
