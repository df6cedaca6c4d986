"""What a column says of examples, whatever stands in it."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from trainables.measurements._column import MOST, column_of


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["lab", "street", "lab"], ["lab", "street", "lab"]),
        (["lab", None, "", "  ", "nan", "NaN"], ["lab", *["-"] * 5]),
        ([7, 8, None], ["7", "8", "-"]),
        ([7.0, 8.0, float("nan")], ["7", "8", "-"]),  # whole numbers, as pandas writes them where one is missing
        ([True, False, None], ["true", "false", "-"]),
        (["007", "7"], ["007", "7"]),
        ([float("inf"), 2.5], ["-", "2.5"]),
        (["None", "null"], ["None", "null"]),  # words, which a country or a person may be called
        (["\x1b[31mred", "a\nb"], ["\\x1b[31mred", "a\\nb"]),
        ([], []),
    ],
)
def test_values_are_labels_and_what_says_nothing_is_none(cells: list[Any], labels: list[str]) -> None:
    assert column_of(cells).labels("-") == labels


def test_fractions_are_a_quantity_where_they_are_too_many_to_look_at_each() -> None:
    ages = [20 + place / 4 for place in range(40)]
    assert column_of([*ages, None]).is_quantity and column_of(map(str, ages)).is_quantity
    assert not column_of([0.5, 1.5] * 20).is_quantity, "two groups"
    assert not column_of(range(40)).is_quantity, "whole numbers are names of people"
    assert not column_of([*map(str, ages), "old"]).is_quantity


def test_more_values_than_groups_are_numbers_or_nothing() -> None:
    many = column_of(range(5_000))
    assert many.labels("-") is None and many.numbers is not None and many.numbers[4_999] == 4_999
    assert column_of(range(MOST)).labels("-") is not None
    with pytest.raises(ValueError, match="more than 1,000 different values, which are names rather than groups"):
        column_of(f"person {place}" for place in range(5_000))
    with pytest.raises(ValueError, match="a value has 256 signs, of 255 at most"):
        column_of(["x" * 256])


def test_a_column_without_values_is_empty_and_parts_of_it_may_be() -> None:
    assert column_of([None, ""]).is_empty and column_of([]).is_empty
    some = column_of([None, "a", "b"])
    assert not some.is_empty and some.of(np.array([0])).is_empty
    assert some.of(np.array([2, 0])).labels("-") == ["b", "-"]
    ages = column_of([*(place / 7 for place in range(2_000)), None])
    assert ages.values is None and not ages.is_empty and ages.of(np.array([2_000])).is_empty


def test_long_texts_take_no_memory_of_each_example() -> None:
    tracemalloc.start()
    found = column_of(f"{place % 7}" * 250 for place in range(200_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.codes) == 200_000 and peak < 20_000_000  # of 50 MB of texts
