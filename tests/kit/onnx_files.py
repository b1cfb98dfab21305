"""Networks converted to ONNX once: the conversion takes seconds, and is the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import pytest

_CONVERTED: dict[str, Any] = {}


def convert_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch convert a network and a sample that it has converted before no more."""
    convert = torch.onnx.export

    def once(network: torch.nn.Module, samples: tuple[torch.Tensor], **how: Any) -> Any:
        found = hashlib.sha256(f"{network}{how}".encode())
        for tensor in (*network.state_dict().values(), *samples):
            found.update(f"{tensor.shape}".encode() + tensor.numpy().tobytes())
        key = found.hexdigest()
        if key not in _CONVERTED:
            _CONVERTED[key] = convert(network, samples, **how)
        return _CONVERTED[key]

    monkeypatch.setattr(torch.onnx, "export", once)
