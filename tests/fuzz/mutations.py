"""Real YAML files with something changed: in their structure, or in their bytes."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from ruamel.yaml import YAML

Keys = tuple[int | str, ...]

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, -0.0, 1.5, 10**30, -(10**30), 2**63, 1e308, 5e-324, float("nan"), float("inf")),
    *(
        "",
        " ",
        "no",
        "none",
        "digits",
        "mlp",
        "sgd",
        "../x",
        "/",
        "/dev/zero",
        "/dev/null",
        ".",
        "~",
        "~x",
        "a" * 10_000,
    ),
    *(
        "~nosuchuser/x",
        "http://[a]:1",
        "http://[::1",
        "head:99999",
        "]:1",
        "a\0b",
        "\ud800",
        "s3://bucket/x",
        "1" * 5000,
    ),
    *("\x1b[31m", "\u202e", "\n", "é", "\U0001f600", "1e400", "2024-01-01", "{{7*7}}", "%s", "${HOME}", "*", "&", "<<"),
    *([], {}, [[]], [{}], [None], {"": 1}, {"name": None}, {"name": []}, {"lr": {"uniform": [1, 0]}}, {"grid": [1, 1]}),
]
"""What is rarely meant where a value is expected."""
ODD_BYTES: list[bytes] = [
    *(
        b"\0",
        b"\t",
        b"\r",
        b"\n",
        b"\x85",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xae",
        b"\x1b[2J",
    ),
    *(
        b"&a ",
        b"*a ",
        b"<<: ",
        b"!!python/object ",
        b"!x ",
        b"? ",
        b": ",
        b"- ",
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n",
        b"|\n",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"#",
        b"'",
        b'"',
        b'"\\x00"',
        b'"\\ud800"',
        b".nan",
        b".inf",
        b"1e400",
        b"9" * 400,
        b">-",
    ),
    b"[&b [x, x, x, x, x, x, x, x, x], &c [*b, *b, *b, *b, *b, *b, *b, *b, *b], &d [*c, *c, *c, *c, *c, *c, *c, *c, *c], "
    b"&e [*d, *d, *d, *d, *d, *d, *d, *d, *d], &f [*e, *e, *e, *e, *e, *e, *e, *e, *e], [*f, *f, *f, *f, *f, *f, *f]]",
]


@st.composite
def mutated(draw: st.DrawFn, files: list[Path]) -> bytes:
    """One of the files with some of its values or bytes changed."""
    content = draw(st.sampled_from(files)).read_bytes()
    if draw(st.booleans()):
        content = draw(changed_structure(content))
    if draw(st.integers(0, 2)) == 0:
        content = draw(changed_bytes(content))
    return content


@st.composite
def changed_structure(draw: st.DrawFn, content: bytes) -> bytes:
    tree = YAML(typ="safe", pure=True).load(content)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree, ()))
        if not places:
            break
        _change(draw, tree, places)
    written = io.BytesIO()
    YAML(typ="safe", pure=True).dump(tree, written)
    return written.getvalue()


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 0, 1, 2, 10, 100])))
        put = draw(
            st.one_of(st.sampled_from(ODD_BYTES), st.binary(max_size=4), st.just(b""), st.just(content[start:end] * 3))
        )
        content = content[:start] + put + content[end:]
    return content


def _change(draw: st.DrawFn, tree: Any, places: list[Keys]) -> None:
    *above, last = draw(st.sampled_from(places))
    parent = _at(tree, above)
    other = copy.deepcopy(_at(tree, draw(st.sampled_from(places))))
    value = parent[last]
    changes: list[Callable[[], None]] = [
        # a copy: a later change must not change what other cases draw from
        lambda: parent.__setitem__(last, copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))),
        lambda: parent.__setitem__(last, other),
        lambda: parent.__setitem__(last, [value, copy.deepcopy(value)]),
        lambda: parent.__setitem__(last, {str(value)[:20]: value}),
        lambda: parent.__delitem__(last),
    ]
    if isinstance(parent, dict):
        changes.append(lambda: parent.__setitem__(draw(st.sampled_from(ODD_KEYS)), parent.pop(last)))
        changes.append(lambda: parent.__setitem__(draw(st.sampled_from(ODD_KEYS)), other))
    draw(st.sampled_from(changes))()


ODD_KEYS = [
    "name",
    "lr",
    "model",
    "dataset",
    "epochs",
    "search",
    "grid",
    "path",
    "size",
    "<<",
    "",
    "1",
    "x" * 300,
    "\u202e",
]


def _places(node: Any, keys: Keys) -> Any:
    """The keys of every value below a node."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*keys, key)
        yield from _places(value, (*keys, key))


def _at(tree: Any, keys: Any) -> Any:
    for key in keys:
        tree = tree[key]
    return tree
