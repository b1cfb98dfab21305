"""Opens an OpenGL context as napari does; prints what it is, and whose Qt, as JSON."""

from __future__ import annotations

import json
import sys

import qtpy
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


def binding() -> str:
    """Name of the package that brings Qt, and its version."""
    return f"{qtpy.API_NAME} {qtpy.PYSIDE_VERSION or qtpy.PYQT_VERSION}"


def main() -> int:
    """Print the versions; status 1 where there is no OpenGL."""
    app = QApplication.instance() or QApplication([])
    version = opengl_version()
    del app
    found = {"opengl": version, "qt": binding()}
    print(json.dumps(found))  # noqa: T201  its output is its purpose
    return 0 if version else 1


if __name__ == "__main__":
    sys.exit(main())
