"""When claims are looked at, and what a grid may say of it."""

from pathlib import Path

import pytest

from orchestrator.errors import GridError, UserError
from orchestrator.grid.looks import LookPlan
from orchestrator.grid.reader import read_text
from orchestrator.grid.spec import GridSpec

GRID = """\
name: demo
axes: {dataset: %s, model: [mlp, cnn], optimizer: sgd}
seeds: %s
%s
"""
CLAIM = "claims: [{id: H1, text: t, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}]"


def read(seeds: str, rest: str = CLAIM, dataset: str = "digits") -> GridSpec:
    return read_text(GRID % (dataset, seeds, rest), Path("grid.yaml"))


def test_the_looks_of_a_grid() -> None:
    assert LookPlan.until(40, 1).sizes == (8, 11, 15, 20, 26, 34, 40)
    for claims in (1, 6, 30):
        first, *_, last = LookPlan.until(40, claims).sizes
        assert last == 40
        assert 2 / 2**first <= 0.05 / claims * first / 40, "seeds that all agree can decide one of them"
    assert LookPlan.until(5, 1).sizes == (5,)
    plan = LookPlan.until(40, 1)
    assert [plan.next(seeds) for seeds in (0, 8, 12, 40)] == [8, 11, 15, None]


@pytest.mark.parametrize(
    ("seeds", "most"), [(2, 40), (10, 40), (12, 48), (30, 100), (99, 100), (100, None), (2_000, None)]
)
def test_what_is_added_to_a_fixed_number(seeds: int, most: int | None) -> None:
    plan = LookPlan.beyond(seeds, 1)
    assert (plan and plan.most) == most
    if plan is not None:
        assert seeds < plan.sizes[0]
        assert plan.all_sizes == (seeds, *plan.sizes)
        assert 2 * 2 / 2 ** plan.sizes[0] <= 0.05 * plan.sizes[0] / plan.most


@pytest.mark.parametrize("plan", [LookPlan.until(40, 3), LookPlan.beyond(10, 2), LookPlan((7,))])
def test_a_plan_is_kept_as_text(plan: LookPlan) -> None:
    assert LookPlan.parse(str(plan)) == plan


@pytest.mark.parametrize("text", ["", "8,", "8;11", "+8", "ten"])
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(ValueError, match="plan of looks"):
        LookPlan.parse(text)


def test_a_grid_whose_seeds_are_added_has_those_of_the_first_look() -> None:
    grid = read("{until: decided, most: 40, vary: [init]}")
    assert (list(grid.seeds), grid.most, grid.vary) == (list(range(8)), 40, ("init",))
    assert grid.looks == LookPlan.until(40, 1)
    fixed = grid.with_seeds(3)
    assert (list(fixed.seeds), fixed.most, fixed.looks) == ([0, 1, 2], None, None)
    assert read("8").looks is None


UNTIL = "{until: decided, most: 40}"


@pytest.mark.parametrize(
    ("seeds", "rest", "message"),
    [
        ("{until: decided}", CLAIM, "3:8: seeds needs most, how many seeds a cell has at most, such as most: 40"),
        ("{until: decide, most: 9}", CLAIM, '3:16: seeds.until has to be decided, not "decide"'),
        ("{most: 9}", CLAIM, "3:9: seeds.most goes with until: decided; a fixed number of seeds is count"),
        ("{until: decided, most: 1}", CLAIM, "3:31: seeds.most has to be a whole number from 2 to 1,000, not 1"),
        ("{until: decided, most: 1001}", CLAIM, "3:31: seeds.most has to be a whole number from 2 to 1,000, not 1001"),
        ("{until: decided, most: x}", CLAIM, '3:31: seeds.most has to be a whole number from 2 to 1,000, not "x"'),
        ("{until: decided, most: 9, count: 3}", CLAIM, "3:34: seeds has count and until"),
        ("{until: decided, most: 9, mots: 3}", CLAIM, "3:34: unknown key of seeds 'mots'; did you mean most?"),
        ("{until: decided, most: 9, vary: [inti]}", CLAIM, "3:41: unknown source of variance"),
        ("{until: decided, most: 5}", CLAIM, "3:31: seeds.most: 5 cannot decide any of 1 claim, whatever they show"),
        (UNTIL, "", "3:16: seeds.until: decided needs claims"),
        (
            UNTIL,
            f"{CLAIM}\ntuning: {{trials: 2, repetitions: 2, space: {{optimizer.lr: [1, 2]}}}}",
            "5:34: claims are decided by tuning.repetitions, and more seeds do not add any",
        ),
    ],
)
def test_what_cannot_decide_is_told_where_it_stands(seeds: str, rest: str, message: str) -> None:
    with pytest.raises(GridError) as wrong:
        read(seeds, rest)
    assert f"grid.yaml:{message}" in str(wrong.value)


def test_seeds_of_two_data_sets_are_two_pairs() -> None:
    assert read("{until: decided, most: 5}", dataset="[digits, mnist]").most == 5


def test_a_number_of_seeds_from_outside_is_fixed_and_not_of_a_longer_list() -> None:
    with pytest.raises(UserError, match="largest seed"):
        read(UNTIL).with_seeds(2**63)
