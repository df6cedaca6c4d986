"""Where the errors of pydantic stand in a file."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, PlainValidator

from clusters.yaml_file import At, Keys, find, model_at, parse

FILE = """\
name: x
parts:
  - {size: 1}
  - size: 2
"""


@pytest.mark.parametrize(
    ("location", "keys", "key_at", "at"),
    [
        ((), (), At(1, 1), At(1, 1)),
        (("name",), ("name",), At(1, 1), At(1, 7)),
        (("name", "str"), ("name",), At(1, 1), At(1, 7)),
        (("parts", "list[Part]", 1, "size"), ("parts", 1, "size"), At(4, 5), At(4, 11)),
        (("parts", 0, "colour"), ("parts", 0), At(3, 5), At(3, 5)),
        (("parts", 7), ("parts",), At(2, 1), At(3, 3)),
        (("absent",), (), At(1, 1), At(1, 1)),
    ],
)
def test_a_location_leads_as_far_as_the_file_has_it(location: Keys, keys: Keys, key_at: At, at: At) -> None:
    root = parse(FILE, max_values=100)
    assert find(root, root.at, location) == (keys, key_at, at)


class Part(BaseModel):
    size: int = 1


class Whole(BaseModel):
    name: str
    parts: list[Part] | None = None
    read: Annotated[Any, PlainValidator(str, json_schema_input_type=Part)] = None


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ((), Whole),
        (("parts",), Part),
        (("parts", 1), Part),
        (("read",), Part),
        (("name",), None),
        (("parts", 1, "size"), None),
        (("absent",), None),
    ],
)
def test_the_model_of_a_place_says_which_keys_may_stand_there(keys: Keys, model: type[BaseModel] | None) -> None:
    assert model_at(Whole, keys) is model
