"""Figures of groups, against counting by hand and against other programs."""

from itertools import chain, combinations

import numpy as np
import pytest
from scipy.stats import binomtest

from trainables.measurements._groups import MIN_EXAMPLES, GroupRow, equalized_odds, group_rows, wilson, worst_group

Table = tuple[list[int], list[int], list[str], int]


def table(seed: int) -> Table:
    """Groups of very different sizes, some without a class, some tiny, of a classifier that is right in part."""
    rng = np.random.default_rng(seed)
    classes, groups, n = int(rng.integers(2, 6)), int(rng.integers(1, 7)), int(rng.integers(5, 900))
    targets = rng.choice(classes, size=n, p=rng.dirichlet(np.ones(classes)))
    answers = np.where(rng.random(n) < rng.random(), targets, rng.integers(classes, size=n))
    member = rng.choice([f"g{one}" for one in range(groups)], size=n, p=rng.dirichlet(np.ones(groups)))
    return targets.tolist(), answers.tolist(), member.tolist(), classes


def rows_of(made: Table) -> tuple[GroupRow, ...]:
    targets, answers, member, classes = made
    return group_rows(np.array(targets), np.array(answers), member, classes=classes)


def share(of: list[bool]) -> float | None:
    return sum(of) / len(of) if of else None


def test_every_figure_is_what_counting_example_by_example_gives() -> None:
    seen = 0
    for seed in range(100):
        made = targets, answers, member, classes = table(seed)
        rows = rows_of(made)
        assert [row.group for row in rows] == sorted(set(member))
        for row in rows:
            mine = [(t, a) for t, a, g in zip(targets, answers, member, strict=True) if g == row.group]
            assert row.n == len(mine) and row.accuracy == share([t == a for t, a in mine])
            for one in range(classes):
                assert row.recalls[one] == share([a == one for t, a in mine if t == one])
                assert row.false_positive_rates[one] == share([a == one for t, a in mine if t != one])
                assert row.selection_rates[one] == share([a == one for _, a in mine])
            known = [recall for recall in row.recalls if recall is not None]
            assert row.recall_macro == pytest.approx(np.mean(known), abs=1e-12)
            seen += 1
    assert seen > 300


def by_hand(made: Table) -> tuple[float | None, float | None]:
    """The worst accuracy and the largest difference, of groups large and complete enough, pair by pair."""
    targets, answers, member, classes = made
    groups = {g: [(t, a) for t, a, h in zip(targets, answers, member, strict=True) if h == g] for g in set(member)}
    complete = {
        g: mine
        for g, mine in groups.items()
        if len(mine) >= 30 and {t for t, _ in mine} == set(targets) != {targets[0]}
    }
    if len(complete) < 2:
        return None, None
    gaps = [
        abs(rates[0] - rates[1])
        for pair in combinations(complete.values(), 2)
        for one in range(classes)
        for true in (True, False)
        if None not in (rates := [share([a == one for t, a in mine if (t == one) is true]) for mine in pair])
    ]
    return min(share([t == a for t, a in mine]) or 0.0 for mine in complete.values()), max(gaps)


def test_the_worst_group_and_the_largest_difference_are_those_found_pair_by_pair() -> None:
    outcomes = []
    for seed in range(100):
        rows = rows_of(table(seed))
        worst, odds = worst_group(rows), equalized_odds(rows)
        accuracy, gap = by_hand(table(seed))
        assert (worst and worst.accuracy) == accuracy
        assert (odds and odds.difference) == (gap and pytest.approx(gap, abs=1e-15))
        if odds is not None:
            rates = {row.group: getattr(row, f"{odds.rate}s")[odds.target] for row in rows}
            assert rates[odds.highest] - rates[odds.lowest] == odds.difference
        outcomes.append(odds is not None)
    assert 20 < sum(outcomes) < 80  # of both kinds enough


def test_wilsons_interval_is_that_of_scipy() -> None:
    for n in (1, 2, 7, 30, 500, 60_000):
        for correct in {0, 1, n // 3, n // 2, n - 1, n}:
            other = binomtest(correct, n).proportion_ci(0.95, method="wilson")
            assert wilson(correct, n) == pytest.approx((other.low, other.high), abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(0, 9)[0] == 0.0 and wilson(9, 9)[1] == 1.0
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


@pytest.mark.parametrize("n", [30, 100, 1_000])
@pytest.mark.parametrize("lowest", [0.0, 0.8])
def test_the_interval_covers_what_it_should(n: int, lowest: float) -> None:
    """On average over true shares: counts are whole, so that at a single share it covers 93 to 98 % of 30."""
    rng = np.random.default_rng(n)
    shares = rng.uniform(lowest, 1.0, size=20_000)
    intervals = np.array([wilson(right, n) for right in range(n + 1)])[rng.binomial(n, shares)]
    covered = np.mean((intervals[:, 0] <= shares) & (shares <= intervals[:, 1]))
    assert 0.93 <= covered <= 0.97


def complete_group(name: str, right: int, *, of: int = 40) -> Table:
    """Half of it class 0 and half class 1; the wrong answers are of class 1's examples."""
    targets = [0, 1] * (of // 2)
    wrong = set([place for place, one in enumerate(targets) if one == 1][: of - right])
    return targets, [0 if place in wrong else one for place, one in enumerate(targets)], [name] * of, 2


def together(*tables: Table) -> tuple[GroupRow, ...]:
    targets, answers, member, _ = zip(*tables, strict=True)
    return rows_of(([*chain(*targets)], [*chain(*answers)], [*chain(*member)], 2))


def test_small_empty_and_incomplete_groups_are_shown_and_never_counted() -> None:
    small: Table = ([0, 1] * 5, [1, 0] * 5, ["small"] * 10, 2)
    one_sided: Table = ([0] * 50, [1] * 50, ["one-sided"] * 50, 2)
    good, poor = complete_group("good", 40), complete_group("poor", 30)
    rows = together(good, poor, small, one_sided)
    assert [(row.group, row.left_out) for row in rows] == [
        ("good", ""),
        ("one-sided", "every example is of class 0"),
        ("poor", ""),
        ("small", f"10 examples, fewer than {MIN_EXAMPLES}"),
    ]
    worst, odds = worst_group(rows), equalized_odds(rows)
    assert worst is not None and (worst.group, worst.accuracy) == ("poor", 0.75)
    # half of the poor group's examples of class 1 are answered 0: its false alarms of 0 and its misses of 1 are the same
    assert odds is not None and (odds.difference, odds.target, odds.rate) == (0.5, 0, "false_positive_rate")
    assert (odds.lowest, odds.highest) == ("good", "poor")
    assert worst_group(together(good, small)) is None and equalized_odds(together(good, small)) is None


def test_a_group_without_one_of_several_classes_says_which() -> None:
    targets = np.array([0, 1, 2, 3] * 10 + [0, 1] * 20)
    rows = group_rows(targets, targets, ["all"] * 40 + ["two"] * 40, classes=4)
    assert rows[1].left_out == "no example of class 2 and of 1 more"
    assert rows[1].recalls == (1.0, 1.0, None, None) and rows[1].recall_macro == 1.0


def test_groups_that_are_the_classes_have_a_worst_and_no_odds() -> None:
    targets = np.repeat([0, 1, 2], 40)
    answers = np.where(np.arange(120) % 40 < 10 * targets, 0, targets)
    rows = group_rows(targets, answers, [f"class {one}" for one in targets], classes=3)
    assert worst_group(rows) is None and equalized_odds(rows) is None
    worst = worst_group(rows, of_any_class=True)
    assert worst is not None and (worst.group, worst.accuracy) == ("class 2", 0.5)


def test_equal_accuracies_give_the_larger_group_as_the_worst() -> None:
    worst = worst_group(together(complete_group("a", 30), complete_group("b", 60, of=80)))
    assert worst is not None and worst.group == "b"


def test_a_group_that_nobody_belongs_to_is_shown() -> None:
    nobody = np.array([], dtype=np.int64)
    (row,) = group_rows(nobody, nobody, [], classes=2, names=["empty"])
    assert (row.n, row.accuracy, row.accuracy_low, row.accuracy_high, row.recall_macro) == (0, None, 0.0, 1.0, None)
    assert row.left_out == "0 examples, fewer than 30" and row.selection_rates == (None, None)
    assert group_rows(nobody, nobody, [], classes=2) == ()


def test_ten_thousand_groups_are_measured() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(10, size=60_000)
    rows = group_rows(targets, targets, rng.integers(10_000, size=60_000), classes=10)
    assert sum(row.n for row in rows) == 60_000 and len(rows) > 9_900
    assert worst_group(rows) is None


@pytest.mark.parametrize(
    ("targets", "answers", "groups", "message"),
    [
        ([0, 1], [0, 1], ["a"], "each example has one target"),
        ([0, 2], [0, 1], ["a", "a"], "a target is not one of the 2 classes: they are 0 to 2"),
        ([0, 1], [-1, 1], ["a", "a"], "a prediction is not one of the 2 classes: they are -1 to 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    targets: list[int], answers: list[int], groups: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        group_rows(np.array(targets), np.array(answers), groups, classes=2)
