"""Weights in 8 bits: that they are, what that takes and what it changes."""

import math
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import NOWHERE, TrainedNet, train
from trainables.deployments.int8 import Int8
from trainables.errors import CannotDeploy
from trainables.interfaces import Model
from trainables.models.cnn import Cnn
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.rnn import Rnn

NETS: dict[str, Model] = {
    "mlp": Mlp(hidden=(64,)),
    "cnn": Cnn(channels=(8, 16), hidden=(64,), batch_norm=True),
    "lstm": Lstm(),
    "gru": Gru(),
}


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedNet]:
    return {name: train(tmp_path_factory.mktemp(name), model) for name, model in NETS.items()}


@pytest.mark.parametrize("name", NETS)
def test_torch_has_whole_numbers_in_place_of_weights(nets: dict[str, TrainedNet], name: str) -> None:
    net = nets[name]
    result = net.variant(Int8())
    kept = load_file(net.weights.with_name(replace(net.spec, deployment=Int8()).trial_id).with_suffix(".safetensors"))
    whole = sum(tensor.numel() for tensor in kept.values() if tensor.dtype is torch.int8)
    before = load_file(net.weights)
    linear = sum(t.numel() for key, t in before.items() if t.ndim == 2)  # convolutions have more axes
    assert whole == linear
    assert result.variant is not None and net.result.test is not None and result.test is not None
    assert result.variant.size_ratio < 0.5 and result.costs.model_bytes < net.result.costs.model_bytes / 2
    assert result.costs.parameters == net.result.costs.parameters and result.costs.flops == net.result.costs.flops
    assert 0 < result.variant.max_abs_difference < 1 and result.variant.agreement >= 0.9


@pytest.mark.parametrize("kind", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_onnxruntime_has_whole_numbers_in_place_of_weights(nets: dict[str, TrainedNet], name: str, kind: str) -> None:
    net, deployment = nets[name], Int8.from_parameters({"kind": kind, "runtime": "onnxruntime", "calibration": 48})
    result = net.variant(deployment)
    assert result.variant is not None
    assert result.variant.runtime == "onnxruntime" and result.variant.agreement >= 0.9
    assert 0 < result.variant.max_abs_difference < 1.5
    kept = net.weights.with_name(replace(net.spec, deployment=deployment).trial_id).with_suffix(".onnx")
    model = onnx.load(kept)
    weights = [each for each in model.graph.initializer if math.prod(each.dims) >= 64]  # not the scales of channels
    types = {onnx.TensorProto.DataType.Name(each.data_type) for each in weights if len(each.dims) > 1}
    assert types <= {"INT8", "UINT8"} and len(weights) >= 2
    (given,) = model.graph.input
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_what_has_no_such_layer_is_no_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.deployments import _torch_int8

    monkeypatch.setattr(_torch_int8, "_LAYERS", (torch.nn.LSTM,))
    with pytest.raises(CannotDeploy, match="no weight of it is in a layer with 8-bit arithmetic"):
        train(tmp_path, Rnn()).variant(Int8())


def test_what_stays_nearly_as_it_was_is_no_variant(tmp_path: Path, nets: dict[str, TrainedNet]) -> None:
    static = Int8(kind="static", runtime="onnxruntime", calibration=48)
    with pytest.raises(CannotDeploy, match=r"% of its weights .* \(convolutions and matrix products\): it would stay"):
        nets["lstm"].variant(static)  # its last layer is a matrix product
    with pytest.raises(CannotDeploy, match=r"% of its weights .* \(fully connected, LSTM and GRU\): it would stay"):
        train(tmp_path, Resnet(depth=8, width=8), epochs=1).variant(Int8())  # so is its


def test_static_calibration_on_more_than_there_is_is_refused(nets: dict[str, TrainedNet]) -> None:
    with pytest.raises(CannotDeploy, match="calibration asks for 128 training examples, and there are 72"):
        nets["mlp"].variant(Int8(kind="static", runtime="onnxruntime"))


def test_where_onnxruntime_is_not_installed_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.stages import onnx_file

    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    info = FewDigits().info(NOWHERE)
    assert "pip install 'orch-grid[deploy]'" in (Int8(runtime="onnxruntime").unsupported_reason(info, Mlp()) or "")
    assert Int8().unsupported_reason(info, Mlp()) is None
    assert Int8(kind="static").unsupported_reason(info, Mlp()) is None
    assert "runtime: torch" in (Int8(kind="qat", runtime="onnxruntime").unsupported_reason(info, Mlp()) or "")
