"""napari layers of a session: images, labels, brush, overlays."""
