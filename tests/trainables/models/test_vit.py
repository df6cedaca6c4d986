"""`vit` against the size of the paper's ViT-B/16 and against torchvision's network."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.models._layers import DropoutSite, StochasticDepthSite
from trainables.models.vit import Vit
from trainables.training.costs import count_flops, count_parameters


def image(channels: int = 3, height: int = 32, width: int = 32) -> DataInfo:
    return DataInfo("images", "image", (channels, height, width), "classification", tuple("abcdefghij"))


def parameters(pixels: int, tokens: int, depth: int, w: int, hidden: int, outputs: int) -> int:
    norms, attention, mlp = 4 * w, 4 * (w * w + w), 2 * w * hidden + hidden + w
    return pixels * w + w + tokens * w + depth * (norms + attention + mlp) + 2 * w + w * outputs + outputs


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (Vit(), image(), parameters(48, 1 + 64 + 1, 6, 128, 512, 10)),
        (Vit(pool="mean"), image(1, 28, 28), parameters(16, 49, 6, 128, 512, 10)),
        (Vit(patch=2, depth=1, heads=3, width=6, mlp_ratio=1.5), image(1, 4, 6), parameters(4, 8, 1, 6, 9, 10)),
    ],
)
def test_parameters_are_what_the_formula_says(model: Vit, data: DataInfo, expected: int) -> None:
    module = model.build(data, 10)
    assert count_parameters(module) == expected
    assert module(torch.rand(2, *data.shape)).shape == (2, 10)


def test_vit_b_16_has_the_size_of_the_paper() -> None:
    with torch.device("meta"):
        module = Vit(patch=16, depth=12, heads=12, width=768).build(image(3, 224, 224), 1000)
    assert count_parameters(module) == 86_567_656  # 86M in table 1; to the last one as torchvision documents it


def test_it_computes_what_torchvisions_network_does() -> None:
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    ours = Vit(patch=4, depth=2, heads=2, width=8, mlp_ratio=2).build(image(3, 8, 8), 5).eval()
    theirs = VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=5
    ).eval()
    names = {"class_token": "1.token", "encoder.pos_embedding": "1.positions"}
    names |= {f"conv_proj.{key}": f"0.embedding.{key}" for key in ("weight", "bias")}
    parts = {
        "ln_1.": "attention.0.",
        "self_attention.in_proj_": "attention.1.queries_keys_values.",
        "self_attention.out_proj.": "attention.1.output.",
        "ln_2.": "mlp.0.",
        "mlp.0.": "mlp.1.",
        "mlp.3.": "mlp.4.",
    }
    for layer in (0, 1):
        for there, here in parts.items():
            for key in ("weight", "bias"):
                names[f"encoder.layers.encoder_layer_{layer}.{there}{key}"] = f"{layer + 2}.{here}{key}"
    for key in ("weight", "bias"):
        names |= {f"encoder.ln.{key}": f"4.{key}", f"heads.head.{key}": f"6.{key}"}
    state: dict[str, Tensor] = {name: torch.randn_like(value) / 2 for name, value in theirs.state_dict().items()}
    assert state.keys() == names.keys()
    theirs.load_state_dict(state)
    own = ours.state_dict()
    ours.load_state_dict({names[name]: value.reshape(own[names[name]].shape) for name, value in state.items()})
    inputs = torch.rand(3, 3, 8, 8).to(memory_format=torch.channels_last)
    torch.testing.assert_close(ours(inputs), theirs(inputs))


def test_without_a_class_token_the_mean_of_the_patches_is_classified() -> None:
    module = Vit(patch=2, depth=1, heads=1, width=4, pool="mean").build(image(1, 4, 4), 3).eval()
    tokens = module[:4](inputs := torch.rand(2, 1, 4, 4))
    assert tokens.shape == (2, 4, 4)
    torch.testing.assert_close(module(inputs), module[5](tokens.sum(1) / 4))


def test_operations_of_attention_are_counted() -> None:
    tokens, w, hidden = 5, 8, 16
    block = tokens * (3 * w * w + w * w + 2 * w * hidden) + 2 * tokens * tokens * w
    model = Vit(patch=4, depth=2, heads=2, width=w, mlp_ratio=2)
    expected = 2 * (4 * 48 * w + 2 * block + w * 10)
    assert count_flops(model.build(image(3, 8, 8), 10), (3, 8, 8)) == expected


def test_stochastic_depth_stands_in_both_branches_and_dropout_after_linear_layers() -> None:
    module = Vit(depth=3).build(image(), 10)
    depths = [part.depth for part in module.modules() if isinstance(part, StochasticDepthSite)]
    assert depths == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert sum(isinstance(part, DropoutSite) for part in module.modules()) == 1 + 3 * 3
    assert Vit().has_stochastic_depth


def test_images_that_patches_do_not_fill_are_refused() -> None:
    assert Vit(patch=7).unsupported_reason(image(1, 28, 28)) is None
    assert Vit(patch=5).unsupported_reason(image(1, 30, 28)) == (
        "vit cannot cut the images of images, 30x28 pixels, into patches of 5 a side"
    )


@pytest.mark.parametrize("given", [{"heads": 3}, {"patch": 0}, {"mlp_ratio": 0}, {"pool": "max"}])
def test_impossible_parameters_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Vit.from_parameters(given)


def test_it_learns_what_only_positions_tell() -> None:
    """Two classes that hold the same patches in another order: without positions they are one."""
    torch.manual_seed(0)
    left = torch.zeros(1, 1, 4, 8)
    left[..., :4] = 1
    inputs, targets = torch.cat([left, left.flip(3)]), torch.tensor([0, 1])
    module = Vit(depth=1, width=16, heads=2).build(image(1, 4, 8), 2)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), targets).backward()
        optimizer.step()
    assert module(inputs).argmax(1).tolist() == [0, 1]
