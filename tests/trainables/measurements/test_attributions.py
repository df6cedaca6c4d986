"""Maps against what is known of a linear net, against brute force, and a net that is left as it was."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainables.measurements.nets import CLASSES, MODELS, asking, net_of
from trainables.deployments._torch_int8 import dynamic
from trainables.errors import NoMap
from trainables.measurements._attributions import (
    completeness_gap,
    expected_gradients,
    integrated_gradients,
    occlusion,
    saliency,
)
from trainables.measurements._grad_cam import grad_cam

Method = Callable[[nn.Module, Tensor, Tensor], Tensor]
REFERENCES = torch.randn(7, 3, 8, 12, generator=torch.Generator().manual_seed(3))
METHODS: dict[str, Method] = {
    "saliency": saliency,
    "integrated_gradients": lambda net, inputs, targets: integrated_gradients(net, inputs, targets, 0.25, steps=4),
    "occlusion": lambda net, inputs, targets: occlusion(net, inputs, targets, 0.25),
    "expected_gradients": lambda net, inputs, targets: expected_gradients(
        net, inputs, targets, REFERENCES, torch.Generator().manual_seed(4), samples=4
    ),
    "grad_cam": grad_cam,
}
BY_GRADIENTS = ("saliency", "integrated_gradients", "expected_gradients")


@pytest.fixture
def linear() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 12, CLASSES))


def weights_of(linear: nn.Sequential, targets: Tensor) -> Tensor:
    return linear[1].weight.detach()[targets].view(-1, 3, 8, 12)


def test_all_methods_know_a_linear_net(linear: nn.Sequential) -> None:
    inputs, targets = asking()
    weights, baseline = weights_of(linear, targets), torch.randn(3, 8, 12)
    assert torch.equal(saliency(linear, inputs, targets), weights.abs().amax(dim=1))
    expected = (weights * (inputs - baseline)).sum(dim=1)
    assert torch.allclose(integrated_gradients(linear, inputs, targets, baseline), expected, atol=1e-6)
    assert torch.allclose(occlusion(linear, inputs, targets, baseline, 1, 1), expected, atol=1e-5)
    one = baseline[None]
    drawn = torch.Generator().manual_seed(0)
    assert torch.allclose(expected_gradients(linear, inputs, targets, one, drawn), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "lstm", "vit"])
def test_integrated_gradients_are_the_integral(name: str) -> None:
    net, (inputs, targets) = net_of(name).eval(), asking()
    baseline = torch.randn(4, 3, 8, 12)  # another for each input
    fine = torch.zeros_like(inputs)
    for share in (np.arange(400) + 0.5) / 400:
        leaf = (baseline + share * (inputs - baseline)).requires_grad_()
        net(leaf).gather(1, targets[:, None]).sum().backward()
        fine += leaf.grad / 400 * (inputs - baseline)
    maps = integrated_gradients(net, inputs, targets, baseline, steps=200)
    tolerance = 5e-3 if name == "cnn" else 1e-5  # the gradients of a cnn with ReLU have jumps
    assert (maps - fine.sum(dim=1)).abs().max() < tolerance * max(1.0, float(fine.sum(dim=1).abs().max()))
    assert completeness_gap(net, inputs, targets, baseline, maps).max() < tolerance


def test_a_gap_is_what_a_map_misses_of_the_logits() -> None:
    net, (inputs, targets) = net_of("cnn").eval(), asking()
    with torch.no_grad():
        gained = (net(inputs) - net(torch.zeros_like(inputs))).gather(1, targets[:, None])[:, 0]
    missing = torch.full((4, 8, 12), 0.5)
    gap = completeness_gap(net, inputs, targets, 0.0, missing)
    assert torch.allclose(gap, (48 - gained).abs(), atol=1e-5)


def test_expected_gradients_are_integrated_gradients_in_the_mean() -> None:
    net, (inputs, targets) = net_of("lstm").eval(), asking(count=1)
    each = [integrated_gradients(net, inputs, targets, reference) for reference in REFERENCES]
    mean = torch.stack(each).mean(dim=0)
    many = inputs.expand(400, -1, -1, -1), targets.expand(400)
    drawn = expected_gradients(net, *many, REFERENCES, torch.Generator().manual_seed(0), samples=1)
    errors = (drawn.mean(dim=0) - mean[0]) / (drawn.std(dim=0) / 20)
    assert 0.8 < float(errors.pow(2).mean()) < 1.2, "errors are as large as those of 400 draws, at every pixel alike"


def test_expected_gradients_are_the_same_in_batches_of_any_size() -> None:
    net, (inputs, targets) = net_of("cnn").eval(), asking()
    generator = torch.Generator().manual_seed(0)
    whole = expected_gradients(net, inputs, targets, REFERENCES, generator, samples=5)
    generator.manual_seed(0)
    parts = [
        expected_gradients(net, inputs[part], targets[part], REFERENCES, generator, samples=5)
        for part in (slice(1), slice(1, 4))
    ]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (3, 2), (5, 4), (20, 3), (2, 5)])
def test_occlusion_hides_window_after_window(window: int, stride: int) -> None:
    net, (inputs, targets) = net_of("cnn").eval(), asking()
    baseline = torch.randn(3, 8, 12)
    losses: list[list[list[float]]] = [[[] for _ in range(12)] for _ in range(8)]
    with torch.no_grad():
        whole = net(inputs[:1])[0, targets[0]]
        tops = [top for top in range(0, 8, stride) if top == 0 or top - stride + window < 8]
        lefts = [left for left in range(0, 12, stride) if left == 0 or left - stride + window < 12]
        for top in tops:
            for left in lefts:
                hidden = inputs[:1].clone()
                rows, columns = range(top, min(8, top + window)), range(left, min(12, left + window))
                for row in rows:
                    for column in columns:
                        hidden[0, :, row, column] = baseline[:, row, column]
                for row in rows:
                    for column in columns:
                        losses[row][column].append(float(whole - net(hidden)[0, targets[0]]))
    expected = torch.tensor([[np.mean(each) if each else 0.0 for each in row] for row in losses], dtype=torch.float32)
    maps = occlusion(net, inputs, targets, baseline, window, stride)
    assert torch.allclose(maps[0], expected, atol=1e-5)


@pytest.mark.parametrize(("side", "window", "stride"), [(2, 3, 2), (28, 3, 2), (63, 7, 4)])
def test_a_window_grows_with_the_image(side: int, window: int, stride: int) -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, CLASSES))
    inputs, targets = asking((1, side, side), count=2)
    given = occlusion(net, inputs, targets, 0.0, window, stride)
    assert torch.equal(occlusion(net, inputs, targets, 0.0), given)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_a_net_is_left_as_it_was(name: str, method: str) -> None:
    if method == "grad_cam" and name in ("mlp", "lstm"):
        pytest.skip("has no map")
    net, (inputs, targets) = net_of(name), asking()
    parts = list(net.modules())
    parts[-1].eval()
    frozen = next(net.parameters())
    frozen.requires_grad_(False)
    modes = [part.training for part in parts]
    state = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    maps = METHODS[method](net, inputs, targets)
    assert maps.shape == (4, 8, 12) and maps.dtype == torch.float32 and not maps.requires_grad
    assert maps.isfinite().all() and maps.any()
    assert [part.training for part in parts] == modes
    assert all(parameter.grad is None for parameter in net.parameters())
    assert [parameter for parameter in net.parameters() if not parameter.requires_grad] == [frozen]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
    assert all(torch.equal(tensor, state[key]) for key, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and not inputs.requires_grad
    assert torch.equal(METHODS[method](net.eval(), inputs, targets), maps), "dropout was off"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_whoever_asks_may_have_no_gradients(method: str, mode: Callable[[], torch.no_grad]) -> None:
    net, (inputs, targets) = net_of("cnn"), asking()
    plain = METHODS[method](net, inputs, targets)
    with mode():
        assert torch.equal(METHODS[method](net, inputs.clone(), targets.clone()), plain)


@pytest.mark.parametrize("method", METHODS)
def test_a_net_that_fails_is_left_as_it_was(method: str) -> None:
    net, (inputs, targets) = net_of("cnn"), asking()
    with pytest.raises(RuntimeError):
        METHODS[method](net, inputs[..., :6], targets)
    assert all(part.training and not part._forward_hooks for part in net.modules())


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_of_its_own_image_and_its_own_class(method: str) -> None:
    net, (inputs, targets) = net_of("cnn"), asking()
    whole = METHODS[method](net, inputs, targets)
    others = METHODS[method](net, inputs, (targets + 1) % CLASSES)
    assert not torch.allclose(whole, others, atol=1e-3)
    if method != "expected_gradients":  # has its draws from one input after another
        assert torch.allclose(METHODS[method](net, inputs[2:3], targets[2:3]), whole[2:3], atol=1e-5)


def test_frames_of_a_clip_are_added_up() -> None:
    shape = (2, 3, 8, 12)
    net, (inputs, targets) = net_of("lstm", shape).eval(), asking(shape)
    maps = integrated_gradients(net, inputs, targets, 0.0)
    assert maps.shape == (4, 8, 12) and completeness_gap(net, inputs, targets, 0.0, maps).max() < 1e-4
    hidden = inputs.clone()
    hidden[..., :4, :4] = 0
    with torch.no_grad():
        lost = (net(inputs) - net(hidden)).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(occlusion(net, inputs, targets, 0.0, 4, 4)[:, 0, 0], lost, atol=1e-6)


@pytest.mark.filterwarnings("ignore:quantized.*autograd kernel was not registered")
@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_whole_numbers_have_no_gradients(method: str) -> None:
    net, _ = dynamic(net_of("mlp").eval())
    inputs, targets = asking()
    assert occlusion(net, inputs, targets, 0.0).any()
    with pytest.raises(NoMap, match="whole numbers"):
        METHODS[method](net, inputs, targets)
