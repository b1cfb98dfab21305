"""The window: the only room that knows napari, Qt, magicgui and pyqtgraph."""
