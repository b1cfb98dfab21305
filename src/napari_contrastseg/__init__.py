"""Label a few slices, click, correct, export: contrastive segmentation in napari."""

__version__ = "0.1.0"
