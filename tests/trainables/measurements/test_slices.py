"""Slices by a number, and the test of the worst."""

import numpy as np
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests

from trainables.measurements._slices import (
    brightness,
    confidence,
    contrast,
    cut,
    quintiles,
    slices,
    worst_slice,
)


def test_brightness_and_contrast_are_those_of_each_image_alone() -> None:
    images = np.random.default_rng(0).integers(256, size=(1_500, 3, 5, 4), dtype=np.uint8)
    images[7], images[8] = 0, 255
    images[9] = np.array([0, 255], dtype=np.uint8)[np.indices((5, 4)).sum(axis=0) % 2]
    light, range_ = brightness(images), contrast(images)
    for place in (0, 7, 8, 9, 1_023, 1_024, 1_499):
        pixels = [[float(v) / 255 for v in images[place, :, y, x]] for y in range(5) for x in range(4)]
        grey = [sum(one) / 3 for one in pixels]
        mean = sum(grey) / 20
        assert light[place] == pytest.approx(mean, abs=1e-12)
        assert range_[place] == pytest.approx((sum((one - mean) ** 2 for one in grey) / 20) ** 0.5, abs=1e-12)
    assert (light[7], light[8], range_[7], range_[8], range_[9]) == pytest.approx((0, 1, 0, 0, 0.5), abs=1e-12)
    assert brightness(images[:0]).shape == contrast(images[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"float64 \(1500, 3, 5, 4\)"):
        brightness(images / 255)


def test_confidence_is_the_largest_probability() -> None:
    assert confidence(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist() == [0.8, 0.5]


def test_quintiles_are_of_equal_size_where_numbers_differ() -> None:
    values = np.random.default_rng(0).permutation(1_000) / 7
    codes = cut(values)
    assert np.bincount(codes).tolist() == [200] * 5
    assert all(values[codes == part].max() < values[codes == part + 1].min() for part in range(4))


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ([3.0] * 50, [50]),
        ([0.0] * 30 + [1.0] * 20, [30, 20]),
        ([0.0] * 500 + list(range(1, 501)), [500, 100, 200, 200]),
        ([*range(500), *[500] * 500], [200, 200, 600]),
        ([1.0, 2.0], [1, 1]),
        ([], []),
    ],
)
def test_equal_numbers_stay_together(values: list[float], sizes: list[int]) -> None:
    codes = cut(np.array(values))
    assert np.bincount(codes).tolist() == sizes
    assert all(len(set(codes[np.array(values) == one])) == 1 for one in values)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        cut(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="each of the 3 examples"):
        slices(np.ones(3, dtype=bool), {"a": quintiles(np.ones(2))})


def test_a_planted_slice_is_found_with_fishers_p_corrected_for_all_that_were_looked_at() -> None:
    rng = np.random.default_rng(0)
    numbers = {name: rng.random(2_000) for name in ("brightness", "contrast")} | {"constant": np.ones(2_000)}
    weak = cut(numbers["contrast"]) == 3
    correct = rng.random(2_000) < np.where(weak, 0.8, 0.9)
    found = slices(correct, {name: quintiles(values) for name, values in numbers.items()})
    assert [(one.by, one.part.partition(":")[0], one.n) for one in found] == [
        *(("brightness", f"{part} of 5", 400) for part in range(1, 6)),
        *(("contrast", f"{part} of 5", 400) for part in range(1, 6)),
        ("constant", "1 of 1", 2_000),
    ]
    worst = worst_slice(found)
    low, high = numbers["contrast"][weak].min(), numbers["contrast"][weak].max()
    assert worst is not None and (worst.by, worst.part) == ("contrast", f"4 of 5: {low:.3g} to {high:.3g}")
    assert worst.p_corrected is not None and worst.p_corrected < 1e-4
    assert (worst.accuracy, worst.rest_accuracy) == (correct[weak].mean(), correct[~weak].mean())
    table = [[correct[weak].sum(), (~correct[weak]).sum()], [correct[~weak].sum(), (~correct[~weak]).sum()]]
    assert worst.p == pytest.approx(fisher_exact(table, alternative="less").pvalue, rel=1e-9)
    corrected = multipletests([one.p for one in found[:-1]], method="holm")[1]
    assert [one.p_corrected for one in found[:-1]] == pytest.approx(corrected, rel=1e-12)
    assert (found[-1].rest_accuracy, found[-1].p, found[-1].p_corrected) == (None, None, None)


def test_where_nothing_is_planted_the_corrected_p_is_small_as_seldom_as_it_says() -> None:
    """Twenty slices of noise in each of 300 worlds: the raw p of the worst is below 5 % in half of them and more."""
    rng = np.random.default_rng(1)
    raw, corrected = [], []
    for _ in range(300):
        cuts = {str(one): quintiles(rng.random(500)) for one in range(4)}
        tested = slices(rng.random(500) < 0.7, cuts)
        raw.append(min(one.p for one in tested if one.p is not None))
        corrected.append(min(one.p_corrected for one in tested if one.p_corrected is not None))
    assert np.mean(np.array(raw) < 0.05) > 0.4
    assert np.mean(np.array(corrected) < 0.05) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def test_small_slices_are_shown_and_not_tested() -> None:
    correct = np.arange(100) >= 20
    found = slices(correct, {"brightness": quintiles(np.arange(100.0))})
    assert [(one.n, one.accuracy, one.p) for one in found] == [(20, 0.0, None), *((20, 1.0, None),) * 4]
    assert worst_slice(found) is None
    assert slices(np.array([], dtype=bool), {"brightness": quintiles(np.array([]))}) == ()


def test_an_example_without_a_number_is_in_no_part_and_in_the_rest_of_each() -> None:
    values = np.array([np.nan] * 40 + [np.inf] * 10 + list(range(50)), dtype=float)
    of = quintiles(values)
    assert (of.codes[:50] == -1).all() and np.bincount(of.codes[50:]).tolist() == [10] * 5
    assert of.names[0] == "1 of 5: 0 to 9"
    found = slices(np.arange(100) >= 50, {"age": of})
    assert [one.n for one in found] == [10] * 5 and {one.rest_accuracy for one in found} == {40 / 90}
    assert slices(np.ones(3, dtype=bool), {"age": quintiles(np.full(3, np.nan))}) == ()
