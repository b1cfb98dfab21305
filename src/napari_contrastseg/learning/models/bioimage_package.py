"""Write a model's network as a BioImage.IO package: ONNX, its description, a test."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from keyword import iskeyword
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.intensities import HIGH, LOW
from napari_contrastseg.io.optional import need
from napari_contrastseg.learning.models.about_input import about_input, plane_names
from napari_contrastseg.learning.models.onnx_file import (
    INPUT,
    OPSET,
    OUTPUT,
    sample_of,
    write_onnx,
)
from napari_contrastseg.learning.networks.portable import PortableNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model

_FORMAT: Final = "0.5.4"
_RDF, _PAGE, _WEIGHTS = "rdf.yaml", "README.md", "weights.onnx"
_IN, _OUT = "test-input.npy", "test-output.npy"


@dataclass(frozen=True)
class Credits:
    """Who made a model, and under which conditions others may use it."""

    name: str
    author: str
    licence: str


def write_package(path: Path, model: Model, credits_: Credits) -> None:
    """Write the network of one axis as a package (a ZIP file), and validate it.

    Raises
    ------
    InputError
        A library of the extra `share` is missing, or `bioimageio.spec` finds fault.
    """
    spec = need("bioimageio.spec", "BioImage.IO packages", "share")
    images = sample_of(model)
    with torch.inference_mode():
        found = PortableNetwork(model.network)(torch.from_numpy(images)).numpy()
    with TemporaryDirectory() as folder, replacing(path) as temporary:
        weights = Path(folder) / _WEIGHTS
        write_onnx(weights, model)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as package:
            package.writestr(_RDF, json.dumps(_description(model, credits_), indent=1))
            package.writestr(_PAGE, _page(model))
            package.writestr(_IN, _as_npy(images))
            package.writestr(_OUT, _as_npy(found))
            package.write(weights, _WEIGHTS)
        _validate(path, temporary, spec)


def _validate(path: Path, package: Path, spec: Any) -> None:
    spec.logger.disable("bioimageio")
    with zipfile.ZipFile(package) as opened:  # of a path the library closes no file
        summary = spec.load_description(opened).validation_summary
    if summary.status == "failed":
        faults = "; ".join(f"{error.loc}: {error.msg}" for error in summary.errors)
        raise InputError(
            f"{path}: is not valid as a BioImage.IO package ({faults[:200]})."
        )


def _description(model: Model, credits_: Credits) -> dict[str, Any]:
    card = model.card
    outputs = ["background", *(c.name for c in card.classes)]
    return {
        "type": "model",
        "format_version": _FORMAT,
        "name": _printable(credits_.name),
        "description": "Segments slices of a volume; trained in napari-contrastseg.",
        "authors": [{"name": re.sub(r"[/\\]", " ", credits_.author)}],
        "license": credits_.licence,
        "documentation": _PAGE,
        "timestamp": datetime.now(UTC).isoformat(),
        "tags": ["segmentation", "unet", "2d", "napari-contrastseg"],
        "cite": [
            {
                "text": "Ronneberger et al. 2015, U-Net",
                "doi": "10.1007/978-3-319-24574-4_28",
            }
        ],
        "inputs": [_input(model)],
        "outputs": [_output(model, outputs)],
        "weights": {"onnx": {"source": _WEIGHTS, "opset_version": OPSET}},
    }


def _input(model: Model) -> dict[str, Any]:
    card, divisor = model.card, model.network.divisor
    free = {"min": 4 * divisor, "step": divisor}
    over_volume = {"axes": ["batch", "y", "x"]}
    levels = {"min_percentile": LOW, "max_percentile": HIGH, **over_volume}
    return {
        "id": INPUT,
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _identifiers(plane_names(card))},
            *(
                {"type": "space", "id": a, "size": free, "scale": s, "unit": _UNIT}
                for a, s in zip("yx", card.input.pixel, strict=True)
            ),
        ],
        "test_tensor": {"source": _IN},
        "data": {"type": "float32"},
        "preprocessing": [
            {"id": "scale_range", "kwargs": levels},
            {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
        ],
    }


def _output(model: Model, names: Iterable[str]) -> dict[str, Any]:
    return {
        "id": OUTPUT,
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _identifiers(names)},
            *(
                {
                    "type": "space",
                    "id": a,
                    "size": {"tensor_id": INPUT, "axis_id": a},
                    "scale": s,
                    "unit": _UNIT,
                }
                for a, s in zip("yx", model.card.input.pixel, strict=True)
            ),
        ],
        "test_tensor": {"source": _OUT},
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }


_UNIT: Final = "millimeter"


def _identifiers(names: Iterable[str]) -> list[str]:
    """Make identifiers of names, each different."""
    found: list[str] = []
    for name in names:
        one = re.sub(
            r"\W+", "_", name.replace("slice -", "slice before "), flags=re.ASCII
        )
        one = one.strip("_").lower() or "channel"
        if not one.isidentifier() or iskeyword(one):
            one = f"channel_{one}"
        while one in found:
            one += "_"
        found.append(one)
    return found


def _printable(text: str) -> str:
    """Leave out signs that the format's names cannot hold."""
    return " ".join(re.sub(r"[^\w+\-() ]", " ", text).split())


def _page(model: Model) -> str:
    about = json.dumps(about_input(model.card, model.network.divisor), indent=1)
    return (
        "# A model of napari-contrastseg\n\nIt takes slices of a volume along one "
        "axis; how a volume is turned, which slices are planes, the size of a pixel, "
        "the intensities and the classes in order:\n\n"
        f"```json\n{about}\n```\n\n# Validation\n\nSee the project it came from.\n"
    )


def _as_npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
