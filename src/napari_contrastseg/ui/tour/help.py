"""Help: the tutorial at the step that a person is at, and the pages that it links."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.qt import get_current_stylesheet
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QTextCursor, QTextDocument
from qtpy.QtWidgets import QTextBrowser, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Sections of the tutorial, by the titles of the steps.
SECTIONS: Final[Mapping[str, str]] = {
    "Data": "1. Data",
    "Learn": "2. Learn",
    "Review": "3. Review",
    "Export": "4. Export",
}
_TUTORIAL: Final = "tutorial"
#: Folders of the pages: within the package, or beside it in a checkout.
_INSTALLED, _CHECKOUT = "pages", "docs"
_SIZE: Final = (640, 560)


def documentation() -> str:
    """Address of the documentation in the package's metadata; "" where it has none."""
    try:
        urls = metadata("napari-contrastseg").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return str(named.get("Documentation", "")).rstrip("/")


def tutorial() -> Path | None:
    """Find the tutorial: within the package, or in a checkout beside it."""
    package = Path(str(files("napari_contrastseg")))
    folders = (package / _INSTALLED, package.parents[1] / _CHECKOUT)
    places = (folder / f"{_TUTORIAL}.md" for folder in folders)
    return next((path for path in places if path.is_file()), None)


def heading(page: Path, anchor: str) -> str:
    """Find the heading that an anchor means; "" where there is none."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", x).lower().replace(" ", "-"): x for x in heads}
    return str(slugs.get(anchor, ""))


class HelpWindow(QTextBrowser):
    """Shows the tutorial and what it links, without a connection to the internet."""

    def __init__(self, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("ContrastSeg: help")
        self.setToolTip("")
        self.setAccessibleName("Tutorial")
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._follow)
        self.setStyleSheet(get_current_stylesheet())
        self.resize(*_SIZE)
        self._tutorial = path
        self.show_page(path)

    def show_page(self, page: Path) -> None:
        """Show a page; all others begin with a link back to the tutorial."""
        self.page = page
        lines = page.read_text(encoding="utf-8").splitlines()
        # pictures of the window would be wider than this one
        lines = [line for line in lines if not line.startswith("![")]
        if page != self._tutorial:
            lines[:0] = [f"[Back to the tutorial]({self._tutorial.as_uri()})", ""]
        self.setMarkdown("\n".join(lines))

    def _follow(self, url: QUrl) -> None:
        """Show a page that is here, and leave others to the person's browser."""
        here = Path(url.toLocalFile()) if url.isLocalFile() else Path(url.path())
        page = (self.page.parent / here).resolve()
        if page.suffix == ".md" and page.is_file() and url.scheme() in ("", "file"):
            self.show_page(page)
            title = heading(page, url.fragment())
            if title:
                self.show_section(title)
        elif url.scheme() in ("http", "https"):
            QDesktopServices.openUrl(url)

    def show_section(self, title: str) -> None:
        """Scroll to a section; its heading is the first line."""
        text = self.document()
        assert text is not None
        self.moveCursor(QTextCursor.MoveOperation.End)
        found = text.find(title, QTextCursor(text), _EXACT)
        while not found.isNull() and not found.blockFormat().headingLevel():
            found = text.find(title, found, _EXACT)
        if not found.isNull():
            found.setPosition(found.selectionStart())
            self.setTextCursor(found)  # from the end, so that it comes to the top


_EXACT: Final = QTextDocument.FindFlag.FindCaseSensitively


class Help:
    """Opens the documentation's web page, or the tutorial that comes along.

    Parameters
    ----------
    shown : callable
        Title of the step that a person is at.
    """

    def __init__(self, shown: Callable[[], str]) -> None:
        self._shown = shown
        self.window: HelpWindow | None = None

    def open(self, _checked: bool = False) -> None:
        """Show help on the step that is shown."""
        step = self._shown()
        title = SECTIONS.get(step, SECTIONS["Data"])
        address, path = documentation(), tutorial()
        if address:
            anchor = title.lower().replace(". ", "-")
            QDesktopServices.openUrl(QUrl(f"{address}/tutorial/#{anchor}"))
        elif path is not None:
            if self.window is None:
                self.window = HelpWindow(path)
            self.window.show()
            self.window.raise_()
            self.window.show_page(path)
            self.window.show_section(title)

    def close(self) -> None:
        """Close its window."""
        if self.window is not None:
            self.window.close()
            self.window.deleteLater()
            self.window = None
