"""Prediction of volumes, slice by slice, with confidence, on their own grid."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.input_spec import SLICE_AXIS_FLIP
from napari_contrastseg.learning.data.padding import cut, reversed_through, to_multiple
from napari_contrastseg.learning.data.slice_axes import can_average
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models.large_slice import Chosen, LargeSlices
from napari_contrastseg.learning.models.slice_tiles import bytes_per_pixel
from napari_contrastseg.learning.runtime.pass_size import PIXELS_PER_BATCH, PassSize

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.networks.unet import UNet

    #: Joins the (1 + classes, rows, columns) probabilities of one slice of the model's
    #: axis, by its number, with what is known of it from elsewhere.
    JoinSlice = Callable[[int, NDArray[np.float32]], NDArray[np.float32]]

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one volume.

    Attributes
    ----------
    labels : (s0, s1, s2) uint8
        Argmax: 0 background, else a class id.
    confidence : (s0, s1, s2) float16 in [0, 1]
        Probability of that argmax.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class SlicesPrediction:
    """What a model says of some slices, before it has seen the whole volume.

    Where networks of other axes follow, these slices will change once more.

    Attributes
    ----------
    axis : int
        Of the volume's array, along which the slices lie.
    slices : (n,) int
    labels : (n, rows, columns) uint8
    confidence : (n, rows, columns) float16
    """

    axis: int
    slices: NDArray[np.intp]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16]


@torch.inference_mode()
def predict_volume(
    model: Model,
    volume: Volume,
    device: torch.device,
    first: int | None = None,
    join: JoinSlice | None = None,
) -> Iterator[float | SlicesPrediction | Prediction]:
    """Predict every slice; yields the part done, and the prediction at the end.

    Where the volume has slices along every axis, the probabilities that models of other
    axes give are averaged with this one's, if that takes little enough memory.

    Parameters
    ----------
    model : Model
    volume : Volume
    device : torch.device
    first : int, optional
        Slice of the model's axis that someone waits for: it is predicted alone, then
        its neighbours outward, and what is said of them is yielded at once.
    join : callable, optional
        What becomes of each slice's probabilities before a class is chosen.

    Raises
    ------
    InputError
        The volume does not fit the model.
    """
    model.check_fits(volume)
    joins = can_average(volume, len(model.card.classes))
    models = [model, *(model.others if joins else ())]
    answer = _Answer(model, volume, len(models), join)
    for number, one in enumerate(models):
        axis = volume.axis_of(one.card.input.axis)
        wanted = first if one is model else None
        whole = answer.averages or join is not None
        for rows, said, done in _slices(one, volume, device, wanted, whole=whole):
            if said is not None:
                answer.add(axis, rows, said)
            if said is not None and wanted is not None:
                yield answer.of(axis, rows, said)
            yield (number + done) / len(models)
    yield answer.whole()


def is_of_one_network(model: Model, volume: Volume) -> bool:
    """Whether slices of one axis alone decide: each answers for itself."""
    return not model.others or not can_average(volume, len(model.card.classes))


@torch.inference_mode()
def predict_part(
    model: Model, volume: Volume, device: torch.device, part: tuple[int, int]
) -> Iterator[float | SlicesPrediction]:
    """Predict some of the slices, as `predict_volume` does where one network answers.

    Parameters
    ----------
    part : (int, int)
        Which part, and of how many; all together are the whole volume.

    Yields
    ------
    The part done, and what is said of slices of the model's axis.
    """
    model.check_fits(volume)
    answer = _Namer(model, None)
    axis = volume.axis_of(model.card.input.axis)
    for rows, said, done in _slices(
        model, volume, device, None, whole=False, part=part
    ):
        if said is not None:
            yield answer.of(axis, rows, said)
        yield done


@torch.inference_mode()
def predict_some(
    model: Model, volume: Volume, device: torch.device, slices: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float32]] | float]:
    """Predict some slices of the model's axis by its first network alone.

    Yields
    ------
    A slice and its (1 + classes, rows, columns) probabilities, background first, and
    the part done.
    """
    model.check_fits(volume)
    batches = [np.array([index]) for index in slices]
    for rows, said, done in _slices(
        model, volume, device, None, whole=True, batches=batches
    ):
        if isinstance(said, Tensor):
            yield from zip(rows.tolist(), said.cpu().numpy(), strict=True)
        yield done


class _Namer:
    """Names the likeliest class of each pixel."""

    def __init__(self, model: Model, join: JoinSlice | None) -> None:
        classes = [c.id for c in model.card.classes]
        self._ids, self._join = np.array([0, *classes], np.uint8), join

    def of(
        self, axis: int, rows: NDArray[np.intp], said: Tensor | Chosen
    ) -> SlicesPrediction:
        """Name the likeliest class of each pixel of some slices."""
        if isinstance(said, Chosen):
            labels = said.outputs
            for key in blocks(labels.shape):  # to look ids up takes 8 bytes a pixel
                labels[key] = self._ids[labels[key]]
            return SlicesPrediction(axis, rows, labels, said.confidence)
        probability = _joined(said.cpu().numpy(), rows, self._join)
        sure = probability.max(axis=1).astype(np.float16)
        labels = self._ids[probability.argmax(axis=1)]
        return SlicesPrediction(axis, rows, labels, sure)


class _Answer(_Namer):
    """What models say of a volume: labels, or sums where several models answer."""

    def __init__(
        self, model: Model, volume: Volume, models: int, join: JoinSlice | None
    ) -> None:
        super().__init__(model, join)
        self._models = models
        self._axis = volume.axis_of(model.card.input.axis)
        self._labels = zeros(volume.shape, np.uint8)
        self._confidence = zeros(volume.shape, np.float16)
        self._total: NDArray[np.float16] | None = None
        if models > 1:
            self._total = zeros((len(self._ids), *volume.shape), np.float16)

    @property
    def averages(self) -> bool:
        """Whether several models answer."""
        return self._total is not None

    def add(self, axis: int, rows: NDArray[np.intp], said: Tensor | Chosen) -> None:
        """Take in what one model says of some slices."""
        if self._total is None:
            self._put(self.of(axis, rows, said))
            return
        assert isinstance(said, Tensor)
        so_far = np.moveaxis(self._total, (axis + 1, 0), (0, 1))
        so_far[rows] += said.cpu().numpy() / self._models

    def _put(self, found: SlicesPrediction) -> None:
        np.moveaxis(self._labels, found.axis, 0)[found.slices] = found.labels
        np.moveaxis(self._confidence, found.axis, 0)[found.slices] = found.confidence

    def whole(self) -> Prediction:
        """Give the whole volume, once every slice is there."""
        if self._total is not None:
            for at, plane in enumerate(np.moveaxis(self._total, self._axis + 1, 0)):
                mean = np.minimum(plane.astype(np.float32), 1)  # rounding adds up
                rows = np.array([at])
                self._put(self.of(self._axis, rows, torch.from_numpy(mean[None])))
        return Prediction(self._labels, self._confidence)


def _joined(
    probability: NDArray[np.float32], rows: Iterable[int], join: JoinSlice | None
) -> NDArray[np.float32]:
    """Join (n, classes, h, w) probabilities with what else is known of the slices."""
    if join is None:
        return probability
    return np.stack(
        [join(int(i), plane) for i, plane in zip(rows, probability, strict=True)]
    )


def _slices(
    model: Model,
    volume: Volume,
    device: torch.device,
    first: int | None,
    *,
    whole: bool,
    part: tuple[int, int] = (0, 1),
    batches: list[NDArray[np.intp]] | None = None,
) -> Iterator[tuple[NDArray[np.intp], Tensor | Chosen | None, float]]:
    """Predict a few slices at a time, from the `first` one outward where there is one.

    Parameters
    ----------
    whole : bool
        Whether the probabilities of large slices, too, are wanted of all classes.
    part : (int, int)
        Which part of the batches, and of how many.
    batches : list of (n,) int, optional
        Slices that are predicted together; all by default.

    Yields
    ------
    Which slices, their (n, classes, h, w) probabilities or what is chosen by these,
    None between the tiles of a large slice, and the part that is done.
    """
    card = model.card
    reader = SliceReader(volume, card.input)
    network = model.network.eval()
    mirrors = card.input.mirror if card.mirror_at_test else ()
    around = 2 * card.input.neighbours + 1
    size = PassSize(device, bytes_per_pixel(network))
    pixels, done = math.prod(reader.shape), 0
    large: LargeSlices | None = None
    if batches is None:
        batches = in_order(reader.count, max(1, size.slices(pixels)), first)
    number, parts_in_all = part
    begin, end = (len(batches) * n // parts_in_all for n in (number, number + 1))
    todo = deque(batches[begin:end])
    count = sum(map(len, todo))
    while todo:
        rows = todo.popleft()
        several = size.slices(pixels)
        if len(rows) > max(1, several):
            few = range(max(1, several), len(rows), max(1, several))
            todo.extendleft(reversed(np.split(rows, few)))
            continue
        found: Tensor | Chosen
        if several:
            try:
                images = torch.stack([reader.image(int(i)) for i in rows]).to(device)
                of = _probabilities(network, images, mirrors, around, card.unlearned)
                said = yield from _between(of, rows, done, count)
                found = reader.to_native_grid(said)
            except (MemoryError, RuntimeError) as error:
                size.halve(error)
                todo.appendleft(rows)
                continue
        else:
            large = large or LargeSlices(network, reader, size, mirrors, card.unlearned)
            parts: Generator[float, None, Tensor | Chosen] = (
                large.probabilities if whole else large.chosen
            )(int(rows[0]))
            found = yield from _between(parts, rows, done, count)
        done += len(rows)
        yield rows, found, done / count


def _between(
    parts: Generator[float, None, Found], rows: NDArray[np.intp], done: int, count: int
) -> Generator[tuple[NDArray[np.intp], None, float], None, Found]:
    """Say how far prediction is, between the tiles of a slice."""
    while True:
        try:
            part = next(parts)
        except StopIteration as end:
            found: Found = end.value
            return found
        yield rows, None, (done + part) / count


def in_order(count: int, several: int, first: int | None) -> list[NDArray[np.intp]]:
    """Part slices into batches of `several`, in order or from the `first` outward."""
    every = np.arange(count)
    if first is None:
        return np.split(every, every[several::several])
    outward = every[np.argsort(np.abs(every - first), kind="stable")]
    return np.split(outward, every[1::several])


def _probabilities(
    network: UNet,
    images: Tensor,
    mirrors: Sequence[int],
    around: int,
    unlearned: Sequence[int],
) -> Generator[float, None, Tensor]:
    """Class probabilities, averaged over mirrored copies; images of any size.

    Those of `unlearned` outputs are 0. Yields between long passes.
    """
    is_long = images[:, 0].numel() > PIXELS_PER_BATCH

    def of(images: Tensor) -> Tensor:
        logits = padded_logits(network, images)
        logits[:, unlearned] = -math.inf
        return logits.softmax(dim=1)

    total = of(images)
    for number, axis in enumerate(mirrors, start=1):
        if is_long:
            yield number / (1 + len(mirrors))
        if axis == SLICE_AXIS_FLIP:
            total = total + of(reversed_through(images, around))
            continue
        total = total + of(images.flip(axis + 2)).flip(axis + 2)
    return total / (1 + len(mirrors))


def padded_logits(network: UNet, images: Tensor) -> Tensor:
    """Compute logits at the images' size, which is padded to what the network needs."""
    around, padded = to_multiple(images, network.divisor)
    return cut(network(padded), around)
