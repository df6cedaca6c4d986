"""Nets as ONNX files: every model of the catalogue, with any number of examples at once, and pixels as they are stored."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import NOWHERE, train
from tests.trainables.test_contract import GIVEN, made
from trainables.deployments.export import Export
from trainables.errors import CannotDeploy
from trainables.interfaces import Model
from trainables.registry import registry
from trainables.stages.exported_file import to_exported
from trainables.stages.onnx_file import to_onnx
from trainables.stages.parity import ParityError, require_parity

MODELS = registry.names("model")
DATA = (FewDigits(), FewDigits(side=16, frames=4), FewDigits(side=32, channels=3))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_elsewhere_what_it_gave(name: str, tmp_path: Path) -> None:
    model = made("model", name, **GIVEN.get(name, {}))
    assert isinstance(model, Model)
    data = next(data for data in DATA if model.unsupported_reason(data.info(NOWHERE)) is None)
    net = train(tmp_path, model, data, epochs=1)
    result = net.variant(Export())
    assert result.variant is not None and net.result.test is not None
    assert result.variant.agreement == 1.0
    assert result.variant.max_abs_difference < 1e-4
    assert result.test.cross_entropy == pytest.approx(net.result.test.cross_entropy, rel=1e-4)
    file = net.weights.with_name(replace(net.spec, deployment=Export()).trial_id).with_suffix(".onnx")
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    examples = data.load(net.place)
    tested = examples.inputs[examples.official_test]
    for size in (1, 7, len(tested)):  # by whoever has the file alone
        (outputs,) = session.run(None, {"pixels": tested[:size]})
        assert outputs.shape == (size, 8) and np.isfinite(outputs).all()
    assert len(tested) * tested[0].nbytes > len(file.read_bytes()) or tested[0].tobytes() not in file.read_bytes()


@pytest.mark.parametrize("name", ["mlp", "cnn_rnn", "vit"])
def test_a_graph_of_torch_gives_what_the_net_gave(name: str, tmp_path: Path) -> None:
    model = made("model", name, **GIVEN.get(name, {}))
    assert isinstance(model, Model)
    data = next(data for data in DATA if model.unsupported_reason(data.info(NOWHERE)) is None)
    net, deployment = train(tmp_path, model, data, epochs=1), Export(format="torch_export")
    result = net.variant(deployment)
    assert result.variant is not None and result.variant.runtime == "torch"
    assert result.variant.agreement == 1.0 and result.variant.max_abs_difference < 1e-5
    file = net.weights.with_name(replace(net.spec, deployment=deployment).trial_id).with_suffix(".pt2")
    examples = data.load(net.place)
    tested = torch.from_numpy(examples.inputs[examples.official_test])
    program = torch.export.load(file)
    assert program.example_inputs is None
    for size in (1, 7, len(tested)):  # by whoever has the file alone
        assert program.module()(tested[:size]).shape == (size, 8)
    with zipfile.ZipFile(file) as held:
        contents = [held.read(each) for each in held.namelist()]
    pictures = [picture.numpy().tobytes() for picture in torch.from_numpy(examples.inputs)]
    assert not any(picture in content for content in contents for picture in pictures)


class Deciding(nn.Module):
    """Its path depends on what it is given."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * 2 if float(inputs.sum()) > 0 else inputs - 1


def test_a_path_that_depends_on_the_inputs_is_a_reason() -> None:
    with pytest.raises(CannotDeploy, match="torch cannot export it to ONNX"):
        to_onnx(Deciding(), torch.ones(2, 3))
    with pytest.raises(CannotDeploy, match="torch cannot export it"):
        to_exported(Deciding(), torch.ones(2, 3))


def test_what_gives_something_else_is_no_export(tmp_path: Path) -> None:
    class Parent:
        def some_pixels(self, examples: int) -> Tensor:
            return torch.ones(examples, 3)

    require_parity(nn.Identity(), nn.Identity(), Parent())  # type: ignore[arg-type]  # all of a parent that is asked
    with pytest.raises(ParityError, match="with 1 example at once"):
        require_parity(nn.Identity(), Deciding(), Parent())  # type: ignore[arg-type]
