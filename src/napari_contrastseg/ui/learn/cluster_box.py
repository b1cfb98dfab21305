"""Where rounds run: this computer, or the address of a cluster's scheduler."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_contrastseg.ui.widgets.forms import button, enable, explain, note, row

_NOTHING = "Write the address of a scheduler first"


class ClusterBox(QWidget):
    """Edits an address; empty for this computer.

    Signals
    -------
    valueChanged : str
    test_requested : str
    """

    valueChanged = Signal(str)  # noqa: N815
    test_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.address = QLineEdit()
        self.address.setPlaceholderText("this computer")
        explain(
            self.address,
            "Address of a Dask scheduler: tcp://localhost:8786 at the end of an ssh "
            "tunnel, or tls://HOST:8786. Images and labels are sent there. Empty: "
            "rounds run on this computer",
            "address where rounds run",
        )
        self.address.textChanged.connect(self._changed)
        self.test = button(
            "Test", "See which workers and GPUs answer there", self._ask, "test address"
        )
        self.found = note()
        self.found.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.address, self.test, stretch=0))
        layout.addWidget(self.found)
        enable(self.test, _NOTHING)

    def value(self) -> str:
        """Return the address."""
        return self.address.text().strip()

    def setValue(self, address: str) -> None:  # noqa: N802
        """Show an address."""
        self.address.setText(address)

    def setFound(self, words: str) -> None:  # noqa: N802
        """Say what is there."""
        self.found.setText(words)
        self.found.setVisible(bool(words))

    def _changed(self) -> None:
        self.setFound("")
        enable(self.test, None if self.value() else _NOTHING)
        self.valueChanged.emit(self.value())

    def _ask(self) -> None:
        self.test_requested.emit(self.value())
