"""Deletion, insertion and likeness against independent computations, and what chance gives."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from tests.trainables.measurements.nets import CLASSES, MODELS, asking, net_of
from trainables.measurements._attributions import integrated_gradients
from trainables.measurements._faithfulness import (
    STEPS,
    centre_maps,
    chance_mass,
    curves,
    differing,
    mass_within,
    places_of,
    pointed_within,
    random_maps,
    redrawn,
    similarity,
    widened,
)


def brute_force(net: nn.Module, image: Tensor, target: int, marks: Tensor, baseline: Tensor) -> tuple[float, float]:
    """Deletion and insertion of one image, a pixel at a time; no two pixels of its map are equal."""
    height, width = marks.shape
    order = sorted((float(marks[row, column]), row, column) for row in range(height) for column in range(width))
    order.reverse()
    areas = []
    for start, end in ((image, baseline), (baseline, image)):
        shown, changed, points = start.clone(), 0, []
        for step in range(STEPS + 1):
            while changed < step * len(order) // STEPS:
                _, row, column = order[changed]
                shown[..., row, column] = end[..., row, column]
                changed += 1
            with torch.no_grad():
                exps = net(shown[None])[0].double().exp()
            points.append((changed / len(order), float(exps[target] / exps.sum())))
        areas.append(sum((after - before) * (low + high) / 2 for (before, low), (after, high) in pairwise(points)))
    return areas[0], areas[1]


@pytest.mark.parametrize("shape", [(3, 8, 12), (1, 7, 5), (2, 3, 8, 12), (1, 3, 3)])
def test_curves_are_those_of_one_pixel_after_another(shape: tuple[int, ...]) -> None:
    net, (inputs, targets) = net_of("lstm", shape).eval(), asking(shape)
    baseline = torch.randn(4, *shape)
    maps = torch.randn(4, *shape[-2:])
    got = curves(net.train(), inputs, targets, maps, baseline)
    net.eval()
    for index in range(4):
        expected = brute_force(net, inputs[index], int(targets[index]), maps[index], baseline[index])
        assert (float(got.deletion[index]), float(got.insertion[index])) == pytest.approx(expected, abs=1e-6)


def test_a_random_map_deletes_as_it_inserts() -> None:
    net, (inputs, _) = net_of("cnn"), asking(count=400)
    targets = net.eval()(inputs).argmax(dim=1)
    drawn = random_maps(400, 8, 12, torch.Generator().manual_seed(0))
    got = curves(net, inputs, targets, drawn, 0.0)
    difference = got.insertion - got.deletion
    assert difference.std() > 0 and abs(float(difference.mean())) < 2 * float(difference.std()) / 20


def test_a_map_that_knows_the_net_is_better_than_a_random_one() -> None:
    net, (inputs, _) = net_of("cnn"), asking(count=100)
    targets = net.eval()(inputs).argmax(dim=1)
    known = curves(net, inputs, targets, integrated_gradients(net, inputs, targets, 0.0), 0.0)
    drawn = curves(net, inputs, targets, random_maps(100, 8, 12, torch.Generator().manual_seed(0)), 0.0)
    assert float(known.deletion.mean()) < float(drawn.deletion.mean())
    assert float(known.insertion.mean()) > float(drawn.insertion.mean())


def test_what_a_map_does_not_tell_apart_is_in_an_order_that_is_drawn_once() -> None:
    places = places_of(torch.zeros(3, 28, 28))
    assert torch.equal(places, places_of(torch.ones(3, 28, 28))) and torch.equal(places[0], places[1])
    assert places[0].flatten().sort().values.tolist() == list(range(784))
    rows = torch.arange(784).view(28, 28)
    for order in (rows, rows.T.contiguous(), centre_maps(1, 28, 28)[0]):
        assert abs(spearmanr(places[0].flatten(), order.flatten()).statistic) < 1.96 / math.sqrt(783)
    halves = torch.zeros(1, 8, 12)
    halves[0, :, 6:] = 1
    assert bool((places_of(halves)[0, :, 6:] < 48).all())
    broken = torch.full((1, 2, 2), math.nan)
    broken[0, 1, 0] = -1e30
    assert places_of(broken)[0, 1, 0] == 0, "what is no number is last"


def test_the_middle_comes_first() -> None:
    places = places_of(centre_maps(2, 5, 7))
    assert places[1, 2, 3] == 0 and {int(places[0, row, column]) for row in (0, 4) for column in (0, 6)} == {
        31,
        32,
        33,
        34,
    }
    assert centre_maps(1, 1, 1).isfinite().all()


def test_likeness_is_spearmans_of_sizes_where_images_differ_from_the_baseline() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, others = (torch.randint(-4, 5, (3, 8, 12), generator=generator).float() for _ in range(2))  # many are equal
    where = torch.rand(3, 8, 12, generator=generator) < 0.5
    got = similarity(maps, others, where)
    for index in range(3):
        there = where[index]
        expected = spearmanr(maps[index][there].abs(), others[index][there].abs()).statistic
        assert float(got[index]) == pytest.approx(expected, abs=1e-12)
    assert float(similarity(maps, -maps, where)[0]) == pytest.approx(1)
    assert similarity(maps, torch.ones(3, 8, 12), where).isnan().all()
    assert similarity(maps, others, torch.zeros(3, 8, 12, dtype=torch.bool)).isnan().all()


def test_a_pixel_differs_if_any_of_its_numbers_does() -> None:
    baseline = torch.tensor([-0.4242, 0.1, 0.3]).view(3, 1, 1)
    inputs = baseline.expand(2, 3, 4, 4).clone() * (1 + 1e-7)  # is as near as rounding
    inputs[1, 2, 0, 3] += 0.01
    expected = torch.zeros(2, 4, 4, dtype=torch.bool)
    expected[1, 0, 3] = True
    assert torch.equal(differing(inputs, baseline), expected)
    clip = torch.zeros(1, 2, 3, 4, 4)
    clip[0, 1, 0, 2, 2] = 1
    assert differing(clip, 0.0).nonzero().tolist() == [[0, 2, 2]]


def test_on_black_integrated_gradients_look_like_those_of_a_net_that_knows_nothing() -> None:
    """Unless what is black is left out: that is why it is."""
    net, (inputs, targets) = net_of("mlp").eval(), asking(count=40)
    inputs[:, :, :, torch.arange(12) % 4 != 0] = 0
    maps, others = (integrated_gradients(each, inputs, targets, 0.0) for each in (net, redrawn(net, 0)))
    everywhere = similarity(maps, others, torch.ones(40, 8, 12, dtype=torch.bool))
    assert float(everywhere.mean()) > 0.8
    assert float(similarity(maps, others, differing(inputs, 0.0)).mean()) < 0.4


def test_a_map_points_where_it_is_largest() -> None:
    maps, masks = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True
    maps[0, 1, 1], maps[1, 3, 3], maps[2, 0, 0] = 2, 2, -5
    maps[0, 3, 3], maps[1, 0, 0], maps[2, 2, 2] = -6, 1, 1
    assert pointed_within(maps, masks).tolist() == [True, False, False]
    assert mass_within(maps, masks).tolist() == pytest.approx([2 / 8, 1 / 3, 5 / 6])
    assert chance_mass(masks).tolist() == [0.25] * 3
    assert mass_within(torch.zeros(3, 4, 4), masks).tolist() == [0.25] * 3
    assert widened(masks)[:, :3, :3].all() and widened(masks).sum(dim=(1, 2)).tolist() == [9, 9, 9]


def test_random_maps_point_by_chance() -> None:
    count = 4000
    masks = torch.zeros(count, 10, 10, dtype=torch.bool)
    masks[:, 2:5, 2:5] = True
    hits = int(pointed_within(random_maps(count, 10, 10, torch.Generator().manual_seed(0)), masks).sum())
    assert abs(hits - 0.09 * count) < 2 * math.sqrt(0.09 * 0.91 * count)


@pytest.mark.parametrize("name", MODELS)
def test_a_redrawn_net_is_another_that_has_learnt_nothing(name: str) -> None:
    net, (inputs, _) = net_of(name), asking()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    one, same, other = (redrawn(net, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    for key, tensor in net.named_parameters():
        again, parameter = same.get_parameter(key), one.get_parameter(key)
        assert torch.equal(parameter, again) and parameter.shape == tensor.shape
        if parameter.std() > 0:  # the scales and shifts of a norm are all alike at the start
            assert not torch.equal(parameter, tensor) and not torch.equal(parameter, other.get_parameter(key))
            if tensor.std() > 0 and tensor.numel() > 30:
                assert abs(np.corrcoef(parameter.detach().flatten(), tensor.detach().flatten())[0, 1]) < 0.5
    norms = [part for part in one.modules() if isinstance(part, nn.BatchNorm2d)]
    assert all(not part.running_mean.any() and bool((part.running_var == 1).all()) for part in norms)
    assert not torch.allclose(one.eval()(inputs), net.eval()(inputs), atol=1e-2)
    assert one(inputs).shape == (4, CLASSES) and one(inputs).isfinite().all()
