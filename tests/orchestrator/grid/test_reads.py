"""What is asked of components is asked once for all that it cannot tell apart, and comes out as if asked of each."""

from typing import ClassVar

import pytest
from pydantic import model_validator

from orchestrator.grid.values import Remembered, Value, invalid_combination, value_of
from trainables.component import Component, Count


class Box(Component):
    role: ClassVar[str] = "model"
    name: ClassVar[str] = "box"

    wide: Count = 1
    high: Count = 1
    deep: Count = 1

    @model_validator(mode="after")
    def _deep_boxes_are_square(self) -> "Box":
        if self.deep > 1 and self.wide != self.high:
            raise ValueError(f"a deep box is square, not {self.wide} x {self.high}")
        return self


def values(**given: int) -> dict[str, Value]:
    return {key: value_of(Box(**{key: given.get(key, 1)}), key) for key in Box.model_fields}


def test_answers_depend_on_what_was_read_alone() -> None:
    calls = []

    def area(box: Box) -> int:
        calls.append(box)
        return 0 if box.deep > 5 else box.wide * box.deep

    remembered = Remembered(area)
    asked = [(wide, high, deep) for wide in (1, 2) for high in range(1, 50) for deep in (1, 6)]
    answers = [remembered((Box, values(wide=wide, high=high, deep=deep))) for wide, high, deep in asked]
    assert answers == [0 if deep > 5 else wide * deep for wide, _, deep in asked]
    assert len(calls) == 3
    assert remembered.reads(Box) == {"wide", "deep"}


@pytest.mark.parametrize("look", [Component.canonical, Component.parameters, hash, dict, repr, vars, Component.digest])
def test_looking_at_a_component_as_a_whole_reads_everything(look: object) -> None:
    assert callable(look)
    remembered = Remembered(lambda box: str(look(box)))
    assert remembered((Box, values(high=2))) != remembered((Box, values(high=3)))


def test_the_combination_that_breaks_a_rule_is_found_wherever_it_stands() -> None:
    def several(**given: list[int]) -> dict[str, list[Value]]:
        return {key: [values(**{key: one})[key] for one in given.get(key, [1])] for key in Box.model_fields}

    assert invalid_combination(Box, several(wide=[1, 2], high=[1, 2, 3])) is None
    assert invalid_combination(Box, several(wide=[2], high=[2], deep=[1, 2])) is None
    assert invalid_combination(Box, several(wide=[2], high=[2, 3], deep=[1, 2])) == "a deep box is square, not 2 x 3"
