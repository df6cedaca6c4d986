"""The searchers and schedulers that tuning asks, against what they promise."""

import math
from typing import Literal

import pytest
from scipy import stats

from orchestrator.grid.tuning import Choice, Opened, Range, TuningSpec
from orchestrator.sweep.tuning.algorithms import search_of, stopper_of

RATE = Opened("optimizer", "lr", Range(1e-4, 1.0, log=True, whole=False))
MOMENTUM = Opened("optimizer", "momentum", Range(0.0, 0.9, log=False, whole=False))
LAYERS = Opened("model", "layers", Range(1, 4, log=False, whole=True))
WIDTH = Opened("model", "width", Range(1, 64, log=True, whole=True))
SIZES = Opened("model", "hidden", Choice(("[8]", "[16, 8]")))


def spec(
    *space: Opened,
    trials: int = 16,
    search: Literal["random", "tpe", "grid"] = "random",
    scheduler: Literal["none", "asha"] = "none",
    seed: int = 0,
    generation: int | None = None,
) -> TuningSpec:
    return TuningSpec.model_construct(
        trials=trials, search=search, scheduler=scheduler, seed=seed, generation=generation, space=space
    )


def test_random_values_have_the_distribution_that_was_asked_for() -> None:
    search = search_of(spec(RATE, MOMENTUM))
    drawn = [search.suggest(number) for number in range(400)]
    rates = [math.log10(values["optimizer.lr"]) for values in drawn]
    momenta = [values["optimizer.momentum"] for values in drawn]
    assert stats.kstest(rates, stats.uniform(-4, 4).cdf).pvalue > 0.001
    assert stats.kstest(momenta, stats.uniform(0, 0.9).cdf).pvalue > 0.001
    assert abs(stats.spearmanr(rates, momenta).statistic) < 0.2


def test_whole_numbers_are_whole_and_reach_both_ends() -> None:
    search = search_of(spec(LAYERS, WIDTH))
    drawn = [search.suggest(number) for number in range(400)]
    assert {values["model.layers"] for values in drawn} == {1, 2, 3, 4}
    widths = [values["model.width"] for values in drawn]
    assert all(isinstance(width, int) and 1 <= width <= 64 for width in widths)
    assert max(widths) > 48


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_list_of_sizes_is_one_value(search: Literal["random", "tpe"]) -> None:
    asked = search_of(spec(SIZES, search=search))
    drawn = [asked.suggest(number)["model.hidden"] for number in range(16)]
    assert sorted({tuple(sizes) for sizes in drawn}) == [(8,), (16, 8)]


def test_cells_that_share_a_parameter_draw_the_same_values_for_it() -> None:
    alone, beside = search_of(spec(RATE)), search_of(spec(LAYERS, RATE))
    for number in range(8):
        assert alone.suggest(number)["optimizer.lr"] == beside.suggest(number)["optimizer.lr"]
    assert search_of(spec(RATE, seed=1)).suggest(0) != alone.suggest(0)


def test_a_grid_goes_from_end_to_end() -> None:
    search = search_of(spec(LAYERS, SIZES, trials=8, search="grid"))
    drawn = [search.suggest(number) for number in range(8)]
    assert [values["model.layers"] for values in drawn] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert drawn[1]["model.hidden"] == [16, 8]


def test_the_estimator_comes_closer_than_chance() -> None:
    """Error in decades from a rate of 0.01; the first ten are at random."""
    errors = []
    for seed in range(5):
        search = search_of(spec(RATE, trials=40, search="tpe", seed=seed))
        for number in range(40):
            values = search.suggest(number)
            error = abs(math.log10(values["optimizer.lr"]) + 2)
            search.tell(number, values, -error if number != 3 else None)
            errors += [error] if number >= 30 else []
    assert sum(errors) / len(errors) < 0.5, "at random it is 1.0"


def test_the_estimator_learns_from_trials_of_an_earlier_sweep() -> None:
    search = search_of(spec(RATE, trials=40, search="tpe"))
    for number in range(30):
        rate = 10 ** (-4 + 4 * number / 29)
        search.tell(number, {"optimizer.lr": rate}, -abs(math.log10(rate) + 2))
    drawn = [search.suggest(number)["optimizer.lr"] for number in range(30, 40)]
    assert sum(abs(math.log10(rate) + 2) for rate in drawn) / 10 < 0.5


def test_halving_stops_bad_trials_and_never_the_best() -> None:
    stopper = stopper_of(spec(RATE, scheduler="asha"), epochs=16)
    lived: dict[int, int] = {}
    for number, quality in enumerate([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.95]):
        for epoch in range(1, 17):
            lived[number] = epoch
            if stopper.stops(number, epoch, quality * epoch / 16):
                break
    assert lived[0] == lived[7] == 16
    assert [number for number, epochs in lived.items() if epochs == 1] == [1, 2, 3, 4], "below the best quarter so far"
    assert sum(lived.values()) < 0.5 * 8 * 16


def test_without_a_scheduler_none_is_stopped() -> None:
    stopper = stopper_of(spec(RATE), epochs=16)
    assert not any(stopper.stops(number, epoch, -number) for number in range(8) for epoch in range(1, 17))
