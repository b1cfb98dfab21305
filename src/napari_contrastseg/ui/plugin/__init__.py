"""What napari's manifest names: reader, writer, sample data."""
