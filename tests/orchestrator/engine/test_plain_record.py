"""Records leave a trial as plain numbers and texts, whatever a plug-in has put into them."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch

from orchestrator.engine.plain_record import plain
from tests.trainables.epoch_rows import epoch_row

ROW = epoch_row()


class Text(str):
    """With an idea of its own of what it is."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:  # type: ignore[override]
        return b"something else"


@dataclasses.dataclass(frozen=True)
class Outer:
    value: object
    inner: object = None


def test_what_is_plain_is_left_as_it_is() -> None:
    assert plain(ROW) is ROW
    record = Outer((1, 2.5, "a", None, True), ROW)
    assert plain(record) is record


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.int16(3), 3),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (torch.tensor(1.5), 1.5),
        (torch.tensor(7), 7),
        (np.str_("name"), "name"),
        (Text("name"), "name"),
        ("half \ud800\0", r"half \ud800\x00"),
        ((1, np.int8(2), (np.float32(0.5), "\ud800")), (1, 2, (0.5, r"\ud800"))),
    ],
)
def test_numbers_and_texts_of_others_become_pythons(value: object, expected: object) -> None:
    made = plain(Outer(1, Outer(value))).inner
    assert isinstance(made, Outer)
    assert made.value == expected
    assert type(made.value) is type(expected)
    assert b"numpy" not in (written := pickle.dumps(made))
    assert b"torch" not in written


@pytest.mark.parametrize(
    "value",
    [object(), [1, 2], {"a": 1}, 2**63, -(2**63) - 1, torch.zeros(2), np.zeros(2), 1j, b"bytes", (1, object())],
    ids=["object", "list", "dict", "large", "small", "tensor", "array", "complex", "bytes", "within"],
)
def test_what_is_neither_is_refused_with_the_name_of_its_field(value: object) -> None:
    with pytest.raises(TypeError, match=r"^value is "):
        plain(Outer(value))
