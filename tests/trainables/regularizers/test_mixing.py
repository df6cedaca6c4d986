"""mixup and CutMix: what each example holds of whom, found again in the pixels, against what its target says."""

import math

import pytest
import torch
from torch import Tensor

from trainables.interfaces import Regularizer
from trainables.regularizers.cutmix import Cutmix
from trainables.regularizers.mixup import Mixup


def mixed(regularizer: Regularizer, inputs: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Of a batch in which each example is a class of its own."""
    targets = torch.eye(len(inputs))
    return regularizer.on_batch(inputs, targets, torch.Generator().manual_seed(seed))


def coded(*shape: int) -> Tensor:
    """Pixels that say whose they are: example i is one-hot at channel i of each pixel."""
    channels = shape[-3]
    assert channels == shape[0]
    codes = torch.eye(channels).view(shape[0], *[1] * (len(shape) - 4), channels, 1, 1)
    return codes.expand(shape).contiguous()


@pytest.mark.parametrize("shape", [(40, 40, 5, 7), (40, 3, 40, 5, 7)])
@pytest.mark.parametrize("regularizer", [Mixup(alpha=1.0), Mixup(), Cutmix(), Cutmix(alpha=0.3, probability=0.5)])
def test_the_target_says_how_much_of_whom_is_in_the_image(regularizer: Regularizer, shape: tuple[int, ...]) -> None:
    inputs = coded(*shape)
    outputs, targets = mixed(regularizer, inputs)
    pixels = outputs.movedim(-3, -1).flatten(1, -2)  # (batch, pixels of all frames, whose)
    torch.testing.assert_close(pixels.mean(dim=1), targets, atol=1e-5, rtol=0)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(40))
    assert int((targets > 0).sum(dim=1).max()) == 2
    assert torch.equal(inputs, coded(*shape)), "the batch itself is left alone"


def test_mixup_blends_all_pixels_by_one_share_and_each_example_by_its_own() -> None:
    outputs, targets = mixed(Mixup(alpha=1.0), coded(40, 40, 4, 4))
    torch.testing.assert_close(outputs, outputs[..., :1, :1].expand_as(outputs), atol=0, rtol=0)
    own = targets.diagonal()
    assert len(own[own < 1].unique()) == int((own < 1).sum()) > 30


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_shares_of_mixup_are_beta(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)) of Beta(alpha, alpha)."""
    inputs = torch.zeros(1500, 1, 1, 1)
    inputs[:, 0, 0, 0] = torch.arange(1500)
    outputs, targets = mixed(Mixup(alpha=alpha), inputs)
    own = targets.diagonal()
    own = own[own < 1] if alpha >= 1 else own
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(float(own.mean()) - 0.5) < 4 * math.sqrt(variance / 1500)
    assert float(own.var()) == pytest.approx(variance, rel=0.1)
    expected = targets @ inputs.flatten()
    torch.testing.assert_close(outputs.flatten(), expected, atol=0.01, rtol=1e-4)


def test_the_smallest_alpha_gives_shares_and_they_are_nearly_always_0_or_1() -> None:
    _, targets = mixed(Mixup(alpha=0.01), torch.zeros(1000, 1, 1, 1))
    assert bool(torch.isfinite(targets).all())
    own = targets.diagonal()
    assert float(((own < 0.01) | (own > 0.99)).float().mean()) > 0.9
    assert 0.4 < float(own.mean()) < 0.6


def test_bytes_are_blended_as_floats_and_pasted_as_bytes() -> None:
    inputs = torch.randint(256, (30, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    blended, targets = mixed(Mixup(alpha=1.0), inputs)
    assert blended.dtype == torch.float32
    by_hand = torch.einsum("ij,jchw->ichw", targets, inputs / 255)
    torch.testing.assert_close(blended, by_hand, atol=1e-6, rtol=0)
    pasted, _ = mixed(Cutmix(), inputs)
    assert pasted.dtype == torch.uint8


def test_cutmix_pastes_one_rectangle_that_may_touch_the_edges() -> None:
    size = 12
    outputs, targets = mixed(Cutmix(), coded(200, 200, size, size))
    touching, areas = 0, []
    for index in range(200):
        foreign = outputs[index, index] == 0
        rows, columns = foreign.any(1).nonzero().flatten(), foreign.any(0).nonzero().flatten()
        if not len(rows):
            continue
        box = foreign[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert bool(box.all()), "a filled rectangle and nothing beside it"
        touching += int(rows[0]) == 0 or int(rows[-1]) == size - 1
        areas.append(int(foreign.sum()))
        assert float(targets[index, index]) == pytest.approx(1 - areas[-1] / size**2)
    assert 20 < touching < 190
    assert min(areas) < 10 and max(areas) > 80


def test_cutmix_changes_its_share_of_the_examples() -> None:
    outputs, _ = mixed(Cutmix(probability=0.3, alpha=1.0), coded(300, 300, 10, 10))
    changed = (outputs != coded(300, 300, 10, 10)).flatten(1).any(1)
    assert 50 < int(changed.sum()) < 110, "3 of 10, but for rectangles of no pixel"


def test_both_together_mix_up_to_four() -> None:
    inputs = coded(40, 40, 6, 6)
    generator = torch.Generator().manual_seed(0)
    outputs, targets = Cutmix().on_batch(*Mixup(alpha=1.0).on_batch(inputs, torch.eye(40), generator), generator)
    torch.testing.assert_close(outputs.mean(dim=(2, 3)), targets, atol=1e-5, rtol=0)
    assert int((targets > 0).sum(dim=1).max()) in (3, 4)


@pytest.mark.parametrize("regularizer", [Mixup(), Cutmix()])
def test_the_generator_alone_decides(regularizer: Regularizer) -> None:
    inputs = coded(20, 20, 6, 6)
    first = mixed(regularizer, inputs, seed=3)
    torch.rand(10)
    again, other = mixed(regularizer, inputs, seed=3), mixed(regularizer, inputs, seed=4)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("regularizer", [Mixup(), Cutmix()])
@pytest.mark.parametrize("count", [0, 1])
def test_a_rank_may_have_one_example_or_none(regularizer: Regularizer, count: int) -> None:
    inputs, targets = torch.rand(count, 3, 4, 4), torch.eye(1)[:count]
    outputs, after = regularizer.on_batch(inputs, targets, torch.Generator().manual_seed(0))
    torch.testing.assert_close(outputs, inputs)
    torch.testing.assert_close(after, targets)
