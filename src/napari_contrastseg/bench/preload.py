"""What the processes of `bench faults` share: imported once, before they are forked."""

import torch  # noqa: TID253  this is what the module is for

import napari_contrastseg.bench.scripted
import napari_contrastseg.insight.features
import napari_contrastseg.insight.layout
import napari_contrastseg.insight.silhouettes
import napari_contrastseg.learning.runner
import napari_contrastseg.learning.slices  # noqa: F401

torch.set_num_threads(1)
