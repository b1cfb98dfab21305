"""What the processes of `bench faults` share: imported once, before they are forked."""

import torch  # noqa: TID253  this is what the module is for

import napari_contrastseg.bench.faults.scripted_session
import napari_contrastseg.insight.features
import napari_contrastseg.insight.silhouettes
import napari_contrastseg.insight.tsne
import napari_contrastseg.learning.data.cohort  # noqa: F401

torch.set_num_threads(1)
