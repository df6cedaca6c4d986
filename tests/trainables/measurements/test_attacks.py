"""Attacks: equal to ten lines of their own, within their ball, and blind where gradients are masked."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.errors import CannotDeploy
from trainables.measurements._attacks import fgsm, monotone, pgd, random_signs

ROUNDING = 2.0**-24
"""Of a number up to 1 in float32, twice."""
STEPS = 7


def net(classes: int = 4) -> nn.Module:
    torch.manual_seed(1)
    layers = (nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(96, classes))
    return nn.Sequential(*layers).eval()


def images(count: int = 20) -> tuple[Tensor, Tensor]:
    """Some of their numbers lie at the ends of 0..1."""
    generator = torch.Generator().manual_seed(2)
    pixels = (torch.rand(count, 2, 6, 6, generator=generator) * 1.2 - 0.1).clamp(0, 1)
    return pixels, torch.randint(4, (count,), generator=generator)


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normalized(module: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda pixels: module((pixels - 0.4) / 0.2)


ATTACKS: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, float], Tensor]] = {
    "fgsm": fgsm,
    "pgd": lambda logits, pixels, targets, eps: pgd(logits, pixels, targets, eps, STEPS, seeded()),
    "random_signs": lambda logits, pixels, targets, eps: random_signs(pixels, eps, seeded()),
}


def slope(logits: Callable[[Tensor], Tensor], pixels: Tensor, target: Tensor) -> Tensor:
    """Of one image's loss, in double precision by central differences: it knows nothing of autograd."""
    flat = pixels.double().flatten()
    steps = 1e-6 * torch.eye(len(flat), dtype=torch.float64)
    around = torch.cat((flat + steps, flat - steps)).view(-1, *pixels.shape)
    with torch.no_grad():
        losses = F.cross_entropy(logits(around), target.expand(len(around)), reduction="none")
    return ((losses[: len(flat)] - losses[len(flat) :]) / 2e-6).view(pixels.shape)


@pytest.mark.parametrize("eps", [0.003, 0.1])
def test_fgsm_is_one_step_along_the_sign_of_the_slope(eps: float) -> None:
    pixels, targets = images()
    module = net().double()
    expected = torch.stack(
        [
            (image + eps * slope(normalized(module), image, target).sign()).clamp(0, 1)
            for image, target in zip(pixels, targets, strict=True)
        ]
    )
    found = fgsm(normalized(net()), pixels, targets, eps)
    assert (found - expected).abs().max() < 1e-6


@pytest.mark.parametrize("eps", [0.003, 0.1])
def test_pgd_is_many_such_steps_each_back_into_the_ball(eps: float) -> None:
    pixels, targets = images()
    logits = normalized(net())
    generator = seeded()
    moved = (pixels + torch.empty_like(pixels).uniform_(-eps, eps, generator=generator)).clamp(0, 1)
    for _ in range(STEPS):
        moved = moved.clone().requires_grad_()
        F.cross_entropy(logits(moved), targets).backward()
        assert moved.grad is not None
        further = moved.detach() + 2.5 * eps / STEPS * moved.grad.sign()
        moved = torch.maximum(torch.minimum(further, pixels + eps), pixels - eps).clamp(0, 1)
    assert (ATTACKS["pgd"](logits, pixels, targets, eps) - moved).abs().max() < 1e-6


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("eps", [0.0, 1 / 255, 0.3, 2.0])
def test_every_image_stays_in_the_ball_and_in_range(name: str, eps: float) -> None:
    pixels, targets = images(200)
    before = pixels.clone()
    moved = ATTACKS[name](normalized(net()), pixels, targets, eps)
    assert moved.dtype == torch.float32
    assert not moved.requires_grad
    away = (moved.double() - pixels.double()).abs().flatten(1).amax(dim=1)
    assert (away <= eps + ROUNDING).all()
    assert (away >= min(eps, 0.4) * 0.9).all()  # each moves about as far as it may
    assert ((moved >= 0) & (moved <= 1)).all()
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_the_net_is_left_as_it_was(name: str, training: bool) -> None:
    pixels, targets = images()
    module = net().train(training)
    module[0].weight.requires_grad_(False)
    module[5].bias.grad = torch.full((4,), 7.0)
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    weights = [parameter.clone() for parameter in module.parameters()]
    ATTACKS[name](normalized(module), pixels, targets, 0.1)
    assert [parameter.requires_grad for parameter in module.parameters()] == wanted
    assert module.training is training
    assert module[3].training is training
    assert all(map(torch.equal, module.parameters(), weights))
    assert torch.equal(module[5].bias.grad, torch.full((4,), 7.0))
    assert [parameter.grad for parameter in module.parameters()][:-1] == [None] * (len(wanted) - 1)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_nobody_has_to_turn_gradients_on(mode: Callable[[], torch.no_grad]) -> None:
    expected = {name: ATTACKS[name](normalized(net()), *images(), 0.1) for name in ATTACKS}
    module = net()
    with mode():
        pixels, targets = images()
        found = {name: ATTACKS[name](normalized(module), pixels, targets, 0.1) for name in ATTACKS}
    assert all(torch.equal(found[name], expected[name]) for name in ATTACKS)


def test_an_image_is_moved_alike_in_any_company() -> None:
    pixels, targets = images()
    logits = normalized(net().double())
    together = fgsm(lambda some: logits(some.double()), pixels, targets, 0.1)
    alone = [fgsm(lambda some: logits(some.double()), pixels[[i]], targets[[i]], 0.1) for i in range(len(pixels))]
    assert torch.equal(torch.cat(alone), together)


def test_what_is_random_comes_from_the_generator_alone() -> None:
    pixels, targets = images()
    logits = normalized(net())
    state = torch.get_rng_state()
    for draw in (
        lambda seed: pgd(logits, pixels, targets, 0.1, 1, seeded(seed)),
        lambda seed: random_signs(pixels, 0.1, seeded(seed)),
    ):
        assert torch.equal(draw(5), draw(5))
        assert not torch.equal(draw(5), draw(6))
    assert torch.equal(torch.get_rng_state(), state)


def test_random_signs_go_up_and_down_alike() -> None:
    pixels = torch.full((100, 1, 10, 10), 0.5)
    moved = random_signs(pixels, 0.25, seeded()) - pixels
    assert set(moved.unique().tolist()) == {-0.25, 0.25}
    assert abs((moved > 0).double().mean() - 0.5) < 4 * 0.5 / 100  # four deviations of the binomial


def test_what_has_no_slope_moves_nothing_and_stays_in_range() -> None:
    pixels, targets = images()
    always = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert torch.equal(fgsm(lambda some: always.expand(len(some), 4), pixels, targets, 0.1), pixels)
    broken = net()
    nn.init.constant_(broken[5].weight, torch.nan)
    assert torch.equal(fgsm(broken, pixels, targets, 0.1), pixels)
    assert ((pgd(broken, pixels, targets, 0.1, 2, seeded()) - pixels).abs() <= 0.1 + ROUNDING).all()
    with pytest.raises(CannotDeploy, match="no gradients come through the net"):
        fgsm(lambda some: some.detach().flatten(1)[:, :4], pixels, targets, 0.1)


def right(logits: Callable[[Tensor], Tensor], pixels: Tensor, targets: Tensor) -> int:
    return int((logits(pixels).argmax(dim=1) == targets).sum())


def under_attack(logits: Callable[[Tensor], Tensor], pixels: Tensor, targets: Tensor) -> tuple[int, int, int]:
    """Right answers under random signs, FGSM and PGD."""
    return (
        right(logits, random_signs(pixels, 0.1, seeded()), targets),
        right(logits, fgsm(logits, pixels, targets, 0.1), targets),
        right(logits, pgd(logits, pixels, targets, 0.1, 20, seeded()), targets),
    )


def test_masked_gradients_are_told() -> None:
    """The same net says the same; where its logits are so large that the loss is flat, both attacks find nothing."""
    pixels, _ = images(200)
    open_net = normalized(net())
    with torch.no_grad():
        targets = open_net(pixels).argmax(dim=1)
    masked = [lambda some: 1e6 * open_net(some), lambda some: open_net((some * 4).round() / 4 + 0 * some)]
    counts = under_attack(open_net, pixels, targets)
    assert monotone(*counts)
    assert counts[2] < counts[1] < counts[0] <= 200
    for logits in masked:
        assert not monotone(*under_attack(logits, pixels, targets))


def test_counts_are_compared_exactly() -> None:
    assert monotone(5, 5, 5)
    assert monotone(0.3, 0.2, 0.1)
    assert not monotone(499, 500, 400)
    assert not monotone(500, 400, 401)
    assert not monotone(0.5, torch.nan, 0.1)
