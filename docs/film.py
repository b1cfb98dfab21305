"""A short recording of the window: pictures with a line of words, as one GIF."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import QBuffer, QByteArray

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QPixmap

WIDTH: Final = 900
#: Height of the line of words, its size, and what a picture stays, in milliseconds.
BAND, TEXT, STAYS = 34, 20, 2600
#: Colours of the palette: fewer make a smaller file.
COLOURS: Final = 96


class Film:
    """Pictures that are shown one after the other."""

    def __init__(self) -> None:
        self._frames: list[Image.Image] = []

    def take(self, picture: QPixmap, words: str) -> None:
        """Add a picture of the window."""
        data = QByteArray()
        buffer = QBuffer(data)
        buffer.open(QBuffer.OpenModeFlag.WriteOnly)
        picture.save(buffer, "PNG")
        whole = Image.open(io.BytesIO(bytes(data.data()))).convert("RGB")
        size = (WIDTH, round(whole.height * WIDTH / whole.width))
        frame = Image.new("RGB", (WIDTH, size[1] + BAND), "#262930")
        frame.paste(whole.resize(size, Image.Resampling.LANCZOS), (0, BAND))
        draw = ImageDraw.Draw(frame)
        draw.text((10, 6), words, fill="#f0f1f2", font=ImageFont.load_default(TEXT))
        self._frames.append(frame)

    def write(self, path: Path) -> None:
        """Write the GIF."""
        first, *others = [f.quantize(COLOURS) for f in self._frames]
        first.save(path, save_all=True, append_images=others, duration=STAYS, loop=0)
        print(path)
