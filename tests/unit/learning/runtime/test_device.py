"""The device that is chosen."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.runtime.device import pick_device


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match="No CUDA GPU"):
        pick_device("cuda")
