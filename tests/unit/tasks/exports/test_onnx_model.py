"""ONNX: the same probabilities by ONNX Runtime as by torch."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.models import onnx_file
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.models import random_model
from tests.kit.onnx_files import convert_once

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model


@pytest.fixture(autouse=True)
def _networks_are_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_once(monkeypatch)


class OtherNetwork:
    """What a conversion that went wrong gives: the softmax of the image itself."""

    model = SimpleNamespace(metadata_props={})

    def save(self, path: Path, *, external_data: bool) -> None:
        assert not external_data
        image, probabilities = (
            onnx.helper.make_tensor_value_info(
                name, onnx.TensorProto.FLOAT, [None, 3, None, None]
            )
            for name in (onnx_file.INPUT, onnx_file.OUTPUT)
        )
        softmax = onnx.helper.make_node(
            "Softmax", [image.name], [probabilities.name], axis=1
        )
        graph = onnx.helper.make_graph([softmax], "other", [image], [probabilities])
        opset = onnx.helper.make_opsetid("", onnx_file.OPSET)
        onnx.save(
            onnx.helper.make_model(graph, ir_version=10, opset_imports=[opset]), path
        )


def session_with(model: Model) -> Session:
    session = Session()
    session.add_weights(model)
    return session


@pytest.mark.slow
def test_each_axis_is_a_file_that_gives_the_networks_probabilities(
    tmp_path: Path,
) -> None:
    model = random_model(0)
    model.others.append(random_model(2))
    export = export_named("onnx")
    session = session_with(model)
    first, second, page = export.write(session, export.options, Output(tmp_path))
    assert [p.name for p in (first, second)] == [
        "model-axis-0.onnx",
        "model-axis-2.onnx",
    ]
    assert "average" in page.read_text()
    for path, one in ((first, model), (second, model.others[0])):
        runtime = onnxruntime.InferenceSession(path)
        for shape in ((2, 3, 16, 24), (1, 3, 30, 12)):
            images = np.random.default_rng(1).random(shape, dtype=np.float32)
            (found,) = runtime.run(None, {"image": images})
            with torch.inference_mode():
                logits = one.network.eval()(torch.from_numpy(images))
            assert np.allclose(found, logits.softmax(1).numpy(), atol=1e-5)
        about = json.loads(
            runtime.get_modelmeta().custom_metadata_map["napari-contrastseg"]
        )
        assert about["slice_axis"] == one.card.input.axis
        assert about["output"] == ["background", "core", "shell"]
        assert about["planes"] == ["image, slice -1", "image", "image, slice +1"]


def test_a_file_that_gives_other_probabilities_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: OtherNetwork())
    path = tmp_path / "a.onnx"
    with pytest.raises(InputError, match=r"a\.onnx: ONNX Runtime gives probabilities"):
        onnx_file.write_onnx(path, random_model())
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_one_sentence_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    export, session = export_named("onnx"), session_with(random_model())
    with pytest.raises(InputError, match=r"onnxruntime.*napari-contrastseg\[share\]"):
        list(export.write(session, export.options, Output(tmp_path)))
    assert not list(tmp_path.rglob("*.onnx"))
