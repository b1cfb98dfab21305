"""Slice-wise inference with confidence, on the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_contrastseg.learning.padding import cut, to_multiple
from napari_contrastseg.learning.planes import has_planes, vote
from napari_contrastseg.learning.slices import SliceReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.learning.unet import UNet

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
        Probability of that argmax; where several models vote, see `planes.vote`.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16]


def predict_volume(
    model: Model, volume: Volume, device: torch.device
) -> Iterator[float | Prediction]:
    """Predict every slice; yields the part done, and the prediction at the end.

    Models of slices along other axes have their say where the volume has such slices.

    Raises
    ------
    InputError
        The volume does not fit the model.
    """
    model.check_fits(volume)
    models = [model, *(model.others if has_planes(volume) else ())]
    found: list[Prediction] = []
    for number, one in enumerate(models):
        for event in _predict_slices(one, volume, device):
            if isinstance(event, float):
                yield (number + event) / len(models)
            else:
                found.append(event)
    if len(found) > 1:
        voted = vote([p.labels for p in found], [p.confidence for p in found])
        found = [Prediction(*voted)]
    yield found[0]


@torch.inference_mode()
def _predict_slices(
    model: Model, volume: Volume, device: torch.device
) -> Iterator[float | Prediction]:
    card = model.card
    reader = SliceReader(volume, card.input)
    lut = torch.tensor([0, *(c.id for c in card.classes)], dtype=torch.uint8)
    labels = np.zeros(volume.shape, np.uint8)
    confidence = np.zeros(volume.shape, np.float16)
    seen = np.moveaxis(labels, card.input.axis, 0)
    sure = np.moveaxis(confidence, card.input.axis, 0)
    network = model.network.eval()
    several = max(1, PIXELS_PER_BATCH // max(1, reader.shape[0] * reader.shape[1]))
    for start in range(0, reader.count, several):
        rows = range(start, min(start + several, reader.count))
        images = torch.stack([reader.image(i) for i in rows]).to(device)
        mirrors = card.input.mirror if card.mirror_at_test else ()
        probability = reader.to_native_grid(_probabilities(network, images, mirrors))
        best, index = probability.max(dim=1)
        seen[rows.start : rows.stop] = lut[index.cpu()].numpy()
        sure[rows.start : rows.stop] = best.cpu().numpy()
        yield rows.stop / reader.count
    yield Prediction(labels, confidence)


def _probabilities(network: UNet, images: Tensor, mirrors: Sequence[int]) -> Tensor:
    """Class probabilities, averaged over mirrored copies; images of any size."""
    total = padded_logits(network, images).softmax(dim=1)
    for axis in mirrors:
        turned = padded_logits(network, images.flip(axis + 2)).softmax(dim=1)
        total = total + turned.flip(axis + 2)
    return total / (1 + len(mirrors))


def padded_logits(network: UNet, images: Tensor) -> Tensor:
    """Compute logits at the images' size, which is padded to what the network needs."""
    around, padded = to_multiple(images, network.divisor)
    return cut(network(padded), around)
