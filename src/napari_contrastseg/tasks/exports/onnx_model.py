"""Export the model as ONNX: a file for each slice axis, and how to use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.plural import plural
from napari_contrastseg.tasks.exported_networks import exported_networks, missing_model
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session

_PAGE: Final = "README.txt"
_TEXT: Final = """\
{count} of napari-contrastseg as ONNX: {names}.

Each takes slices along one axis of the volume, (batch, planes, rows, columns) float32,
and gives the probability of background and of each class for every pixel. How a volume
is turned, which slices are planes, pixel size, intensities, and the classes in order
are written in the file's metadata, as JSON under the key napari-contrastseg.
{several}"""
_SEVERAL: Final = """
The model has a network for each slice axis: predict a volume with each, bring the
probabilities onto one grid, average them, and take the likeliest class. One network
alone is less accurate.
"""


@dataclass(frozen=True)
class OnnxOptions:
    """A model is written in one way."""


def run(session: Session, _options: OnnxOptions, output: Output) -> Iterator[Path]:
    """Write the latest model."""
    from napari_contrastseg.learning.models.onnx_file import write_onnx  # noqa: PLC0415

    networks = exported_networks(session)
    (folder,) = output.claim("onnx")
    for stem, model in networks.items():
        path = folder / f"{stem}.onnx"
        write_onnx(path, model)
        yield path
    page = folder / _PAGE
    with replacing(page) as temporary:
        temporary.write_text(_about(networks), encoding="utf-8")
    yield page


def _about(stems: Iterable[str]) -> str:
    names = [f"{stem}.onnx" for stem in stems]
    several = _SEVERAL if len(names) > 1 else ""
    count = plural(len(names), "network")
    return _TEXT.format(count=count, names=", ".join(names), several=several)


EXPORT = Export(
    name="onnx",
    title="Model as ONNX",
    summary="One .onnx for each slice axis of the model, checked against torch",
    options=OnnxOptions(),
    missing=missing_model,
    run=run,
    of_model=True,
)
