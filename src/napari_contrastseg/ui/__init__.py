"""The window: the only package that knows napari, Qt, magicgui and pyqtgraph."""
