"""What of a YAML file reaches the reader, and that everything else is one located sentence."""

from pathlib import Path

import pytest

from clusters.yaml_file import At
from orchestrator.errors import GridError, UserError
from orchestrator.grid.source import read_source


def problem(path: Path, content: bytes) -> str:
    """The one problem of a file with this content, without the file's name."""
    path.write_bytes(content)
    with pytest.raises(GridError) as caught:
        read_source(path)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}:")


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return tmp_path / "grid.yaml"


def test_a_byte_order_mark_is_no_part_of_the_first_key(grid: Path) -> None:
    grid.write_bytes(b"\xef\xbb\xbfname: x\n")
    root = read_source(grid)
    assert root == {"name": "x"}
    assert root.keys_at["name"] == At(1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1:1: the file is empty"),
        (b"# only a comment\n\n", "1:1: the file is empty"),
        (b"---\n...\n", "1:1: the file is empty"),
        (b"- name: x\n", "1:1: a grid is a mapping of keys, not a list"),
        (b"hello\n", "1:1: a grid is a mapping of keys, not a single value"),
        (b"name: x\nseeds: 3\nname: y\n", "3:1: duplicate key 'name'; it is already in line 1"),
        (b"axes:\n  model: {name: cnn, hidden: 3, hidden: 4}\n", "2:33: duplicate key 'hidden'"),
        (b"axes:\n\tmodel: mlp\n", "2:1: a tab; write spaces"),
        (b"axes:\n  \tmodel: mlp\n", "2:3: a tab; write spaces"),
        (b"name:\tx\n", "1:6: a tab; write spaces"),
        (
            b"name: !!python/object/apply:os.system [ls]\n",
            "1:7: the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        (b"name: !x y\n", "1:7: the tag !x is not allowed"),
        (b"axes: !!omap []\n", "1:7: the tag tag:yaml.org,2002:omap is not allowed"),
        (b"name: x\n---\nname: y\n", "2:1: a second document"),
        (b"name: *other\n", "1:7: the alias *other refers to nothing"),
        (b"name: &me [*me]\n", "1:12: the alias *me refers to nothing"),
        (b"axes:\n  <<: {a: 1}\n", "2:3: merge keys (<<) are not part of YAML 1.2"),
        (b"? [a, b]\n: 1\n", "1:3: a key has to be a word"),
        (b"{{a: 1}: 2}\n", "1:2: a key has to be a word"),
        (b"name: [1, 2\n", "not valid YAML: expected ',' or ']'"),
        (b"name: a: b\n", "1:8: not valid YAML: mapping values are not allowed here"),
        (b"name: 'x\n", "not valid YAML: found unexpected end of stream"),
        (b"name: @x\n", "1:7: not valid YAML: found character '@'"),
        (b"%YAML 1.x\n---\nname: x\n", "1:9: not valid YAML"),
        (b"name: caf\xe9\n", "1:10: not a text file in UTF-8"),
        ("name: x\n".encode("utf-16"), "1:1: not a text file in UTF-8"),
        (b"\xef\xbb\xbfname: x\n\xff", "2:1: not a text file in UTF-8"),
        (b"name: x\nseeds: \x00\n", "2:8: not a text file: it contains the control character '\\x00'"),
        (b"\x89PNG\r\n\x1a\n", "1:1: not a text file in UTF-8"),
        (b"name: " + b"[" * 50_000, "1:46: nested more than 40 deep"),
        ("\n".join(" " * depth + "a:" for depth in range(500)).encode(), "41:41: nested more than 40 deep"),
        (b"name: x\n" * 200_000, "1:1: the file is larger than"),
    ],
)
def test_what_is_no_grid_is_one_located_sentence(grid: Path, content: bytes, message: str) -> None:
    assert message in problem(grid, content)


def test_aliases_of_aliases_do_not_unfold_without_bound(grid: Path) -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    assert "unfolds into more than 200,000 values" in problem(grid, "\n".join(lines).encode())


def test_a_file_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the grid .*missing\.yaml: No such file"):
        read_source(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match=r"cannot read the grid .*: Is a directory"):
        read_source(tmp_path)
