"""Unpack compressed DICOM pixels with imagecodecs, as a plug-in of pydicom."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.optional import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Name of the plug-in.
LABEL: Final = "imagecodecs"
_JPEG: Final = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_LOSSLESS: Final = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_LS: Final = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_2000: Final = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_BYTE: Final = 8
#: pydicom asks a plug-in for these.
DECODER_DEPENDENCIES: Final = dict.fromkeys(
    (*_JPEG, *_LOSSLESS, *_LS, *_2000), ("imagecodecs",)
)


def is_available(uid: str) -> bool:
    """Whether a way of packing can be unpacked."""
    return uid in DECODER_DEPENDENCIES


def plugin_for(uid: str) -> str:
    """Name the plug-in that unpacks a transfer syntax; ``""``: pydicom itself does."""
    if uid not in DECODER_DEPENDENCIES:
        return ""
    _register()
    return LABEL


@cache
def _register() -> None:
    get_decoder = need("pydicom.pixels", "DICOM files", "dicom").get_decoder

    for uid in DECODER_DEPENDENCIES:
        get_decoder(uid).add_plugin(LABEL, (__name__, "decode_frame"))


def decode_frame(packed: bytes, runner: Any) -> bytes:
    """Unpack one frame into an array of the size that the file declares.

    Raises
    ------
    InputError
        The packed picture has another size.
    """
    syntax = str(runner.transfer_syntax)
    shape: tuple[int, ...] = (runner.rows, runner.columns)
    if runner.samples_per_pixel > 1:
        shape = (*shape, runner.samples_per_pixel)
    found = _decode(packed, runner, syntax)
    if found.shape != shape:
        raise InputError(f"packs a picture of {found.shape} as one of {shape}.")
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", found.dtype.itemsize * _BYTE)
    if runner.samples_per_pixel > 1 and syntax in (*_JPEG, *_2000):
        runner.set_option("photometric_interpretation", "RGB")
    return np.ascontiguousarray(found).tobytes()


def _decode(packed: bytes, runner: Any, syntax: str) -> NDArray[Any]:
    if syntax in _LOSSLESS:
        return np.asarray(imagecodecs.jpegsof3_decode(packed))
    if syntax in _LS:
        return np.asarray(imagecodecs.jpegls_decode(packed))
    if syntax in _2000:
        return np.asarray(imagecodecs.jpeg2k_decode(packed))
    colours: dict[str, Any] = {}
    if runner.samples_per_pixel > 1:
        said = str(runner.photometric_interpretation)
        stored = "RGB" if said == "RGB" else "YCBCR"
        colours = {"colorspace": stored, "outcolorspace": "RGB"}
    return np.asarray(imagecodecs.jpeg8_decode(packed, **colours))
