"""Prediction of volumes, slice by slice, with confidence, on their own grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.input_spec import SLICE_AXIS_FLIP
from napari_contrastseg.learning.data.padding import cut, reversed_through, to_multiple
from napari_contrastseg.learning.data.slice_axes import can_average
from napari_contrastseg.learning.data.slice_reader import SliceReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.networks.unet import UNet

    #: Joins the (1 + classes, rows, columns) probabilities of one slice of the model's
    #: axis, by its number, with what is known of it from elsewhere.
    JoinSlice = Callable[[int, NDArray[np.float32]], NDArray[np.float32]]

#: Pixels in one forward pass.
PIXELS_PER_BATCH = 2**20 // 4


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
    labels = zeros(volume.shape, np.uint8)
    confidence = zeros(volume.shape, np.float16)
    ids = np.array([0, *(c.id for c in model.card.classes)], np.uint8)
    total = None
    if len(models) > 1:
        total = zeros((len(ids), *volume.shape), np.float16)
    for number, one in enumerate(models):
        axis = volume.axis_of(one.card.input.axis)
        wanted = first if one is model else None
        for rows, tensor, done in _slices(one, volume, device, wanted):
            probability = tensor.cpu().numpy()
            if total is not None:
                so_far = np.moveaxis(total, (axis + 1, 0), (0, 1))
                so_far[rows] += probability / len(models)
            if total is None or wanted is not None:
                found = _decided(axis, rows, _joined(probability, rows, join), ids)
                np.moveaxis(labels, axis, 0)[rows] = found.labels
                np.moveaxis(confidence, axis, 0)[rows] = found.confidence
                if wanted is not None:
                    yield found
            yield (number + done) / len(models)
    if total is not None:
        own = volume.axis_of(model.card.input.axis)
        for at, plane in enumerate(np.moveaxis(total, own + 1, 0)):
            mean = np.minimum(plane.astype(np.float32), 1)  # rounding adds up
            found = _decided(own, np.array([at]), _joined(mean[None], [at], join), ids)
            np.moveaxis(labels, own, 0)[at] = found.labels[0]
            np.moveaxis(confidence, own, 0)[at] = found.confidence[0]
    yield Prediction(labels, confidence)


def _joined(
    probability: NDArray[np.float32], rows: Iterable[int], join: JoinSlice | None
) -> NDArray[np.float32]:
    """Join (n, classes, h, w) probabilities with what else is known of the slices."""
    if join is None:
        return probability
    return np.stack(
        [join(int(i), plane) for i, plane in zip(rows, probability, strict=True)]
    )


def _decided(
    axis: int,
    rows: NDArray[np.intp],
    probability: NDArray[np.float32],
    ids: NDArray[np.uint8],
) -> SlicesPrediction:
    """Name the likeliest class of each pixel of some slices."""
    sure = probability.max(axis=1).astype(np.float16)
    return SlicesPrediction(axis, rows, ids[probability.argmax(axis=1)], sure)


def _slices(
    model: Model, volume: Volume, device: torch.device, first: int | None
) -> Iterator[tuple[NDArray[np.intp], Tensor, float]]:
    """Predict a few slices at a time, from the `first` one outward where there is one.

    Yields
    ------
    Which slices, their (n, classes, h, w) probabilities, and the part that is done.
    """
    card = model.card
    reader = SliceReader(volume, card.input)
    network = model.network.eval()
    mirrors = card.input.mirror if card.mirror_at_test else ()
    around = 2 * card.input.neighbours + 1
    several = max(1, PIXELS_PER_BATCH // max(1, reader.shape[0] * reader.shape[1]))
    done = 0
    for rows in in_order(reader.count, several, first):
        images = torch.stack([reader.image(int(i)) for i in rows]).to(device)
        found = _probabilities(network, images, mirrors, around, card.unlearned)
        done += len(rows)
        yield rows, reader.to_native_grid(found), done / reader.count


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
) -> Tensor:
    """Class probabilities, averaged over mirrored copies; images of any size.

    Those of `unlearned` outputs are 0.
    """

    def of(images: Tensor) -> Tensor:
        logits = padded_logits(network, images)
        logits[:, unlearned] = -math.inf
        return logits.softmax(dim=1)

    total = of(images)
    for axis in mirrors:
        if axis == SLICE_AXIS_FLIP:
            total = total + of(reversed_through(images, around))
            continue
        total = total + of(images.flip(axis + 2)).flip(axis + 2)
    return total / (1 + len(mirrors))


def padded_logits(network: UNet, images: Tensor) -> Tensor:
    """Compute logits at the images' size, which is padded to what the network needs."""
    around, padded = to_multiple(images, network.divisor)
    return cut(network(padded), around)
