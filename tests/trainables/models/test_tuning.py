"""What learns and what stays, for nets of any make."""

import copy

import pytest
import torch
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models._layers import DropoutSite
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.pretrained.inputs import InputForm, PixelInputs
from trainables.models.pretrained.tuning import Tune, TunedNet, head_of, last_part
from trainables.models.resnet import Resnet
from trainables.registry import registry

DATA = DataInfo("images", "image", (3, 16, 16), "classification", tuple("abcde"))


def tuned(net: nn.Module, tune: Tune, side: int = 16) -> TunedNet:
    return TunedNet(PixelInputs(3, InputForm((3, side, side), (0.5,), (0.25,))), net, tune)


def stepped(module: nn.Module, side: int = 16) -> dict[str, Tensor]:
    """The state after a step of training, in training mode."""
    torch.manual_seed(0)
    module.train()
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    loss = nn.functional.cross_entropy(module(torch.rand(8, 3, side, side)), torch.arange(8) % 5)
    loss.backward()
    optimizer.step()
    return module.state_dict()


def changed(module: nn.Module, side: int = 16) -> set[str]:
    """The tensors that a step of training changes."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    return {name.removeprefix("net.") for name, value in stepped(module, side).items() if not value.equal(before[name])}


@pytest.mark.parametrize("model", [Cnn(batch_norm=True), Resnet(depth=8), Mlp(), Lstm(), Cnn(hidden=())])
def test_frozen_is_the_last_layer_alone_and_no_statistic_moves(model: Model) -> None:
    module = tuned(model.build(DATA, 5), "frozen")
    name, head = head_of(module.net)
    assert head.weight.shape[0] == 5
    assert changed(module) == {f"{name}.weight", f"{name}.bias"}


@pytest.mark.parametrize("model", [Cnn(batch_norm=True), Resnet(depth=8), Mlp(), Lstm()])
def test_all_is_the_net_as_it_would_learn_by_itself(model: Model) -> None:
    module = tuned(model.build(DATA, 5), "all")
    plain = nn.Sequential(copy.deepcopy(module.inputs), copy.deepcopy(module.net))
    expected, trained = stepped(plain), stepped(module)
    assert list(trained.values()) and all(
        value.equal(other) for value, other in zip(trained.values(), expected.values(), strict=True)
    )


def test_last_is_the_head_and_the_last_block_with_its_statistics() -> None:
    module = tuned(Resnet(depth=8).build(DATA, 5), "last")
    blocks = [name for name, part in module.net.named_modules() if type(part).__name__.endswith("Block")]
    names = {name for name in changed(module) if not name.endswith("num_batches_tracked")}
    in_block = {name for name in names if name.startswith(f"{blocks[-1]}.")}
    head, _ = head_of(module.net)
    assert names - in_block == {f"{head}.weight", f"{head}.bias"}
    # two convolutions, and weight, bias, mean and variance of two norms
    assert len(in_block) == 2 + 2 * 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", ["layer4.1"]),
        ("resnet50", ["layer4.2"]),
        ("vgg11", ["classifier.3"]),
        ("densenet121", ["features.norm5", "features.denseblock4"]),
        ("mobilenet_v2", ["features.18"]),
        ("efficientnet_b0", ["features.8"]),
        ("vit_b_16", ["encoder.ln", "encoder.layers.encoder_layer_11"]),
        ("swin_t", ["norm", "features.7.1"]),
        ("squeezenet1_1", ["features.12"]),
        ("inception_v3", ["Mixed_7c"]),
    ],
)
def test_the_last_part_of_torchvisions_nets(name: str, expected: list[str]) -> None:
    from torchvision import models

    options = {"aux_logits": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        net = models.get_model(name, weights=None, num_classes=5, **options)
    names = {id(part): place for place, part in net.named_modules()}
    assert [names[id(part)] for part in last_part(net, head_of(net)[1])] == expected


def test_dropout_before_the_head_drops_and_that_of_the_frozen_part_does_not() -> None:
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(768, 40), DropoutSite(), nn.Linear(40, 40), DropoutSite(), nn.Linear(40, 5)
    )
    for site in (net[2], net[4]):
        site.p = 0.5
    module = tuned(net, "frozen").train()
    assert (net[2].training, net[4].training) == (False, True)
    inputs = torch.rand(4, 3, 16, 16)
    assert not module(inputs).equal(module(inputs))
    module.eval()
    assert not any(part.training for part in module.modules())
    assert module(inputs).equal(module(inputs))


def test_a_copy_keeps_its_own_part_still() -> None:
    module = tuned(Cnn(batch_norm=True).build(DATA, 5), "frozen")
    copied = copy.deepcopy(module).train()
    norm = next(part for part in copied.modules() if isinstance(part, nn.BatchNorm2d))
    assert not norm.training


def test_a_net_without_a_layer_of_weights_says_so() -> None:
    with pytest.raises(ValueError, match="no linear layer"):
        head_of(nn.Sequential(nn.Flatten(), nn.ReLU()))


def test_pretrained_models_are_found_by_their_names() -> None:
    component = registry.get("model", "pretrained:resnet18")
    assert component is registry.get("model", "pretrained:resnet18")
    assert component.name == "pretrained:resnet18"
