"""What of a YAML file reaches its readers, with its place."""

import math

import pytest

from clusters.yaml_file import At, NotYaml, YamlText, parse


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("1e-3", 0.001),
        ("12e03", 12000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("true", True),
        ("'true'", "true"),
        ("~", None),
        ("", None),
        ("-.inf", -math.inf),
        ("9" * 5000, math.inf),  # a number that no computer word holds: validation refuses it as infinite
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    value = parse(f"key: {written}", max_values=100)["key"]
    assert value == meant
    assert type(value) is (YamlText if isinstance(meant, str) else type(meant))


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(parse("key: .nan", max_values=100)["key"])


def test_every_key_and_value_knows_its_place() -> None:
    root = parse("name: x\r\naxes:\r\n  model:\r\n  - {name: cnn, channels: [8, 16]}\r\n", max_values=100)
    assert root == {"name": "x", "axes": {"model": [{"name": "cnn", "channels": [8, 16]}]}}
    levels = root["axes"]["model"]
    assert root["axes"].keys_at["model"] == At(3, 3)
    assert (levels[0].at, levels[0].keys_at["channels"]) == (At(4, 5), At(4, 17))
    assert levels[0]["name"].at == At(4, 12)
    assert levels[0]["channels"].places[1] == At(4, 31)


def test_an_alias_stands_for_what_it_names() -> None:
    assert parse("a: &lrs [0.1, 0.2]\nb: *lrs", max_values=100) == {"a": [0.1, 0.2], "b": [0.1, 0.2]}


def test_a_mapping_without_some_keys_keeps_the_places_of_the_others() -> None:
    root = parse("a: 1\nb: x\n", max_values=100)
    kept = root.without("a")
    assert (kept, kept.at, kept.keys_at, kept.places) == ({"b": "x"}, At(1, 1), {"b": At(2, 1)}, {"b": At(2, 4)})


@pytest.mark.parametrize(
    ("text", "at", "told"),
    [
        ("a: [1, 2, 3]", At(1, 4), "unfolds into more than 3 values"),
        ("a: &x [1]\nb: [*x, *x]", At(2, 4), "unfolds into more than 3 values"),
        (f"a: {'x' * 11}", At(1, 4), "a value of 11 characters is too long"),
    ],
)
def test_what_is_too_much_is_refused_where_it_begins(text: str, at: At, told: str) -> None:
    with pytest.raises(NotYaml) as refused:
        parse(text, max_values=3, max_length=10)
    assert (refused.value.at, refused.value.message) == (at, told)
