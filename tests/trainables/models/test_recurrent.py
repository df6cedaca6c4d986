"""Recurrent models: what they read, against loops written out step by step, and that earlier results hold."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.models._recurrent import SequenceModel
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.rnn import Rnn
from trainables.regularizers.dropout import Dropout
from trainables.training.costs import count_flops, count_parameters

CLASSES = tuple("abcdefghij")
GATES = {Rnn: 1, Gru: 3, Lstm: 4}
MODELS = (Rnn, Gru, Lstm)


def image(channels: int = 1, height: int = 28, width: int = 28) -> DataInfo:
    return DataInfo("images", "image", (channels, height, width), "classification", CLASSES)


def film(frames: int = 5, channels: int = 1, height: int = 4, width: int = 6) -> DataInfo:
    return DataInfo("films", "clip", (frames, channels, height, width), "classification", CLASSES)


def layer_size(model: type[SequenceModel], inputs: int, hidden: int) -> int:
    return GATES[model] * hidden * (inputs + hidden + 2)  # each gate has two biases


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("parameters", "data", "steps", "numbers"),
    [
        ({}, image(3, 8, 6), 8, 18),
        ({"read": "columns"}, image(3, 8, 6), 6, 24),
        ({"read": "patches", "patch": 2}, image(3, 8, 6), 12, 12),
        ({}, film(5, 3, 4, 6), 5, 72),
        ({"read": "patches", "patch": 5}, film(5, 3, 4, 6), 5, 72),
    ],
)
@pytest.mark.parametrize("both_ways", [False, True])
def test_parameters_and_operations_are_what_the_formulas_say(
    model: type[SequenceModel],
    parameters: dict[str, object],
    data: DataInfo,
    steps: int,
    numbers: int,
    both_ways: bool,
) -> None:
    built = model.from_parameters({"hidden": 16, "layers": 2, "bidirectional": both_ways, **parameters})
    assert built.unsupported_reason(data) is None
    module, ways = built.build(data, 10), 2 if both_ways else 1
    head = 16 * ways * 10
    assert count_parameters(module) == head + 10 + ways * (
        layer_size(model, numbers, 16) + layer_size(model, 16 * ways, 16)
    )
    a_step = GATES[model] * 16 * ways * ((numbers + 16) + (16 * ways + 16))
    assert count_flops(module, data.shape) == 2 * (steps * a_step + head)
    assert module(torch.rand(3, *data.shape)).shape == (3, 10)


def steps_by_hand(read: str, inputs: Tensor, patch: int) -> list[Tensor]:
    """Each step, (batch, numbers), cut out one after another."""
    if inputs.ndim == 5:
        return [frame.reshape(len(frame), -1) for frame in inputs.unbind(1)]
    _, _, height, width = inputs.shape
    match read:
        case "rows":
            boxes = [(slice(y, y + 1), slice(None)) for y in range(height)]
        case "columns":
            boxes = [(slice(None), slice(x, x + 1)) for x in range(width)]
        case _:
            corners = [(y, x) for y in range(0, height, patch) for x in range(0, width, patch)]
            boxes = [(slice(y, y + patch), slice(x, x + patch)) for y, x in corners]
    return [inputs[:, :, rows, columns].reshape(len(inputs), -1) for rows, columns in boxes]


def state_by_hand(model: type[SequenceModel], layer: nn.Module, way: str, steps: list[Tensor]) -> Tensor:
    """The last state, gate by gate (Elman 1990; Cho et al. 2014; Hochreiter and Schmidhuber 1997, Gers et al. 2000)."""
    weights, recurrent, bias, second = (
        layer.get_parameter(f"{name}_l0{way}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    state = cell = torch.zeros(len(steps[0]), recurrent.shape[1])
    for step in steps:
        seen, kept = step @ weights.T + bias, state @ recurrent.T + second
        if model is Rnn:
            state = (seen + kept).tanh()
        elif model is Gru:
            (reset, update), (new, old) = (
                ((a + b).sigmoid() for a, b in zip(seen.chunk(3, 1)[:2], kept.chunk(3, 1)[:2], strict=True)),
                (seen.chunk(3, 1)[2], kept.chunk(3, 1)[2]),
            )
            state = (1 - update) * (new + reset * old).tanh() + update * state
        else:
            enter, forget, candidate, leave = (seen + kept).chunk(4, 1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            state = leave.sigmoid() * cell.tanh()
    return state


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("read", ["rows", "columns", "patches"])
@pytest.mark.parametrize("data", [image(3, 4, 6), film()])
@pytest.mark.parametrize("both_ways", [False, True])
def test_the_last_state_is_that_of_a_loop_over_the_steps(
    model: type[SequenceModel], read: str, data: DataInfo, both_ways: bool
) -> None:
    built = model.from_parameters({"hidden": 5, "read": read, "patch": 2, "bidirectional": both_ways})
    module = built.build(data, 4).eval()
    inputs = torch.rand(2, *data.shape)
    steps = steps_by_hand(read, inputs, 2)
    states = [state_by_hand(model, module.layers[0], "", steps)]
    if both_ways:
        states.append(state_by_hand(model, module.layers[0], "_reverse", steps[::-1]))
    torch.testing.assert_close(module(inputs), module.head(torch.cat(states, 1)))
    if data.input == "image":
        torch.testing.assert_close(module(inputs.contiguous(memory_format=torch.channels_last)), module(inputs))


class _AsPublished(nn.Module):
    """The lstm of version 0.1.0, word for word where figures depend on it."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.head = nn.Linear(hidden, outputs)
        for layer in self.layers:
            with torch.no_grad():
                forget = slice(hidden, 2 * hidden)
                layer.get_parameter("bias_ih_l0")[forget] = 1.0
                layer.get_parameter("bias_hh_l0")[forget] = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        states = inputs.transpose(1, 2).flatten(2)
        for layer in self.layers:
            states, _ = layer(states.float())
        return self.head(states[:, -1])


def test_an_lstm_of_earlier_results_is_the_same_to_the_last_bit() -> None:
    torch.manual_seed(3)
    now = Lstm(hidden=7, layers=2).build(image(3, 8, 6), 10)
    torch.manual_seed(3)
    before = _AsPublished(18, 7, 2, 10)
    assert {name: value.tolist() for name, value in now.state_dict().items()} == {
        name: value.tolist() for name, value in before.state_dict().items()
    }
    inputs = torch.rand(4, 3, 8, 6).contiguous(memory_format=torch.channels_last)
    assert torch.equal(now(inputs), before(inputs))


def test_parameters_that_came_later_are_in_the_identity_only_where_they_change_something() -> None:
    assert Lstm(read="rows", patch=4, bidirectional=False).canonical() == Lstm().canonical()
    assert "read" not in Lstm().canonical()
    assert len({Lstm(read=read).digest() for read in ("rows", "columns", "patches")}) == 3
    assert Lstm(bidirectional=True).digest() != Lstm().digest()


@pytest.mark.parametrize("model", MODELS)
def test_forget_gates_start_open_and_only_the_lstm_has_them(model: type[SequenceModel]) -> None:
    module = model(hidden=4, layers=2, bidirectional=True).build(image(), 2)
    biases = {name: value for name, value in module.layers.named_parameters() if "bias" in name}
    assert len(biases) == 8
    for name, bias in biases.items():
        expected = torch.full((4,), 1.0 if "ih" in name else 0.0)
        assert (model is Lstm) == torch.equal(bias[4:8].detach(), expected)


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_between_layers_and_not_between_steps(model: type[SequenceModel]) -> None:
    module = model(hidden=64, layers=2).build(image(), 2).train()
    inputs = torch.rand(1, 1, 28, 28)
    assert torch.equal(module(inputs), module(inputs))
    Dropout(p=0.5).on_model(module)
    assert not torch.equal(module(inputs), module(inputs))
    assert torch.equal(module.eval()(inputs), module(inputs))


@pytest.mark.parametrize("model", MODELS)
def test_bf16_is_left_to_what_surrounds_the_layers(model: type[SequenceModel]) -> None:
    module = model(hidden=6).build(image(), 2).eval()
    inputs = torch.rand(2, 1, 28, 28)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = module(inputs)
    torch.testing.assert_close(outputs.float(), module(inputs), atol=0.01, rtol=0.01)


def test_patches_have_to_fill_the_image() -> None:
    reason = Gru(read="patches", patch=5).unsupported_reason(image())
    assert reason == "patches of 5x5 pixels do not fill an image of 28x28 (images)"
    assert Gru(read="patches", patch=7).unsupported_reason(image()) is None
    assert Gru(read="rows", patch=5).unsupported_reason(image()) is None


@pytest.mark.parametrize("parameters", [{"read": "pixels"}, {"patch": 0}, {"bidirectional": 1}, {"hidden": 0}])
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rnn.from_parameters(parameters)
