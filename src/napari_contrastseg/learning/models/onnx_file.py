"""Write a model's network as ONNX, and hold it against torch."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.optional import need
from napari_contrastseg.learning.models.about_input import about_input
from napari_contrastseg.learning.networks.portable import PortableNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model

INPUT: Final = "image"
OUTPUT: Final = "probabilities"
#: Opset that is written; ONNX Runtime reads it since 1.14 (2023).
OPSET: Final = 18
_WHAT: Final = "ONNX files"
#: Largest difference of a probability between torch and ONNX Runtime.
_TOLERANCE: Final = 1e-4
#: Key of the file's metadata that holds what `about_input` says.
_ABOUT: Final = "napari-contrastseg"


def write_onnx(path: Path, model: Model) -> None:
    """Write the network of one axis, checked on one batch.

    Parameters
    ----------
    path : Path
    model : Model
        Its networks of other axes are left out.

    Raises
    ------
    InputError
        A library of the extra `share` is missing, or the file cannot be written, or
        ONNX Runtime gives other probabilities than torch.
    """
    for library in ("onnx", "onnxscript", "onnxruntime"):
        need(library, _WHAT, "share")
    network = PortableNetwork(model.network)
    sample = torch.from_numpy(sample_of(model))
    free = torch.export.Dim.AUTO
    with _quietly():
        made = torch.onnx.export(
            network,
            (sample,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: free, 2: free, 3: free},),
            verbose=False,
        )
    assert made is not None
    about = about_input(model.card, model.network.divisor)
    made.model.metadata_props[_ABOUT] = json.dumps(about)
    with replacing(path) as temporary:
        made.save(temporary, external_data=False)
        _check(path, temporary, network, sample)


def sample_of(model: Model) -> NDArray[np.float32]:
    """Make a batch of two small images of noise, of a size that the network takes."""
    side = model.network.divisor
    shape = (2, model.network.channels, 4 * side, 6 * side)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def _check(
    path: Path, file: Path, network: PortableNetwork, sample: torch.Tensor
) -> None:
    runtime = need("onnxruntime", _WHAT, "share")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = network(sample).numpy()
    (found,) = session.run([OUTPUT], {INPUT: sample.numpy()})
    worst = float(np.abs(found - wanted).max())
    if not worst <= _TOLERANCE:
        raise InputError(
            f"{path}: ONNX Runtime gives probabilities that differ by {worst:.2g} from "
            "torch's, so it was not written; export the model's folder instead, and "
            "report this."
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter says of its own progress."""
    logger: Any = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
