"""EfficientNet-Lite0 beside another implementation, and with the weights of the package."""

import pytest
import torch
from torch import nn

from trainables.dataset import DataInfo, DataLocation
from trainables.errors import WeightsError
from trainables.interfaces import TrainingFacts
from trainables.models.pretrained import efficientnet_lite0 as source
from trainables.models.pretrained.lite0_net import EfficientNetLite0
from trainables.models.pretrained.tuning import TunedNet
from trainables.registry import registry

DATA = DataInfo("images", "image", (3, 32, 32), "classification", tuple("abcde"))


def theirs() -> nn.Module:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    return package.EfficientNet.from_name("efficientnet-lite0").eval()


def renamed(net: nn.Module) -> dict[str, torch.Tensor]:
    return {source._renamed(name): value for name, value in net.state_dict().items()}


def test_it_has_the_published_number_of_parameters() -> None:
    # by hand: a convolution in * out * k^2 (depthwise: out * k^2), a norm 2 * out, a linear layer (in + 1) * out
    def block(inputs: int, outputs: int, kernel: int, expansion: int) -> int:
        wide = inputs * expansion
        expand = inputs * wide + 2 * wide if expansion > 1 else 0
        return expand + wide * kernel**2 + 2 * wide + wide * outputs + 2 * outputs

    blocks = [(32, 16, 3, 1), (16, 24, 3, 6), (24, 24, 3, 6), (24, 40, 5, 6), (40, 40, 5, 6)]
    blocks += [(40, 80, 3, 6), (80, 80, 3, 6), (80, 80, 3, 6), (80, 112, 5, 6), (112, 112, 5, 6), (112, 112, 5, 6)]
    blocks += [(112, 192, 5, 6), (192, 192, 5, 6), (192, 192, 5, 6), (192, 192, 5, 6), (192, 320, 3, 6)]
    by_hand = 3 * 32 * 9 + 64 + sum(block(*each) for each in blocks) + 320 * 1280 + 2 * 1280 + 1281 * 1000
    counted = sum(parameter.numel() for parameter in EfficientNetLite0(1000).parameters())
    assert counted == by_hand
    assert round(counted / 1e6, 1) == 4.7  # published with the nets: 4.7 million


@pytest.mark.parametrize("side", [64, 96, 224])
def test_it_gives_what_the_other_implementation_gives(side: int) -> None:
    torch.manual_seed(0)
    other, net = theirs(), EfficientNetLite0(1000).eval()
    for part in other.modules():
        if isinstance(part, nn.BatchNorm2d):  # statistics that matter
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    net.load_state_dict(renamed(other))
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(net(images), other(images), rtol=1e-4, atol=1e-5)


def test_odd_sizes_are_padded_as_tensorflow_pads() -> None:
    for side, expected in ((7, 4), (8, 4), (33, 17)):
        assert EfficientNetLite0(2).stem(torch.zeros(2, 3, side, side)).shape[2:] == (expected, expected)
    stem = EfficientNetLite0(2).stem[0]
    nn.init.ones_(stem.weight)
    seen = stem(torch.ones(1, 3, 4, 4))[0, 0]
    assert seen.tolist() == [[27, 18], [18, 12]]  # the missing row and column are behind


def model(**parameters: object) -> source.PretrainedEfficientNetLite0:
    component = registry.get("model", "pretrained:efficientnet_lite0")
    assert component is source.PretrainedEfficientNetLite0
    made = component.from_parameters(parameters)
    assert isinstance(made, source.PretrainedEfficientNetLite0)
    return made


def with_package() -> None:
    try:
        source._package_file()
    except WeightsError as absent:
        pytest.skip(str(absent))


def test_the_package_gives_the_trunk_and_the_head_is_new(tmp_path: pytest.TempPathFactory) -> None:
    with_package()
    place = DataLocation(None, None, tmp_path)  # type: ignore[arg-type]
    lite = model(size=64).located(place)
    assert lite.content is not None and lite.content != model(weights="none").located(place).content
    module = lite.build(DATA, 5)
    fresh = {name: value.clone() for name, value in module.state_dict().items()}
    lite.prepare(module, TrainingFacts((1,) * 5, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)))
    weights = source._read_package()
    state = module.state_dict()
    heads = {"head.weight", "head.bias"}
    assert all(state[f"net.{name}"].equal(value) for name, value in weights.items() if name not in heads)
    assert all(state[f"net.{name}"].equal(fresh[f"net.{name}"]) for name in heads)


def test_its_weights_know_images(tmp_path: pytest.TempPathFactory) -> None:
    """With all its classes, real weights are far more certain of real images than of noise."""
    with_package()
    skimage = pytest.importorskip("sklearn.datasets")
    images = [skimage.load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    from torchvision import models

    categories = models.ResNet18_Weights.DEFAULT.meta["categories"]
    data = DataInfo("images", "image", (3, 224, 224), "classification", tuple(categories))
    lite = model()
    module = lite.build(data, 1000).eval()
    lite.prepare(module, TrainingFacts((1,) * 1000))
    assert isinstance(module, TunedNet)
    squares = [torch.from_numpy(image.copy()).permute(2, 0, 1)[:, :420, 110:530] for image in images]
    inputs = torch.nn.functional.interpolate(torch.stack(squares) / 255, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        best = module(inputs).softmax(1).topk(5).indices
    names = [{categories[index] for index in row} for row in best.tolist()]
    assert names[0] & {"palace", "bell cote", "monastery", "stupa", "boathouse"}
    assert names[1] & {"daisy", "bee", "pot", "vase", "picket fence"}


def test_weights_none_is_the_same_net_freshly_initialised() -> None:
    torch.manual_seed(3)
    module = model(weights="none", tune="all", size=32).build(DATA, 5)
    before = {name: value.clone() for name, value in module.state_dict().items() if name.startswith("net.")}
    model(weights="none").prepare(module, TrainingFacts((1,) * 5))
    assert all(module.state_dict()[name].equal(value) for name, value in before.items())


def test_a_package_with_other_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_package()
    monkeypatch.setattr(source, "_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="not what"):
        source._read_package()
