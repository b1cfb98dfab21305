"""Opens an OpenGL context as napari does, and prints what it is as JSON."""

from __future__ import annotations

import json
import sys

from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication


def opengl_version() -> str | None:
    """Version of the OpenGL context that Qt can make, or None."""
    context = QOpenGLContext()
    surface = QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return None
    form = context.format()
    return f"{form.majorVersion()}.{form.minorVersion()}"


def main() -> int:
    """Print the version; status 1 where there is none."""
    app = QApplication.instance() or QApplication([])
    version = opengl_version()
    del app
    print(json.dumps({"opengl": version}))  # noqa: T201  its output is its purpose
    return 0 if version else 1


if __name__ == "__main__":
    sys.exit(main())
