"""A results directory with something changed in it, as a bad disk, a stranger or a careless hand leaves it."""

import json
import os
import random
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

VICTIM: Final = "victim.txt"
"""A file of the tree outside."""
_DEEP: Final = 100_000
_HUGE: Final = 1 << 42


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case takes place."""

    root: Path
    """The results directory."""
    outside: Path
    """A tree of which nothing may be changed."""


Mutation = Callable[[Place, random.Random], str]
"""Changes something, and says what."""


def mutate(place: Place, numbers: random.Random) -> list[str]:
    """One to three changes; what was changed."""
    return [numbers.choice(MUTATIONS)(place, numbers) for _ in range(numbers.choice((1, 1, 2, 3)))]


def flip(place: Place, numbers: random.Random) -> str:
    path = _a_file(place, numbers)
    content = bytearray(path.read_bytes())
    places = [numbers.randrange(len(content)) for _ in range(numbers.choice((1, 1, 20)) if content else 0)]
    for at in places:
        content[at] ^= 1 << numbers.randrange(8)
    path.write_bytes(content)
    return f"flipped bits at {places} of {_name(path, place)}"


def truncate(place: Place, numbers: random.Random) -> str:
    path = _a_file(place, numbers)
    size = numbers.choice((0, 1, numbers.randrange(path.stat().st_size + 1)))
    os.truncate(path, size)
    return f"cut {_name(path, place)} to {size} bytes"


def add_generated(place: Place, numbers: random.Random) -> str:
    path = _a_file(place, numbers)
    size = numbers.choice((_HUGE, 1 << 32))
    os.truncate(path, size)
    return f"made {_name(path, place)} {size} bytes long, nearly all a hole"


def noise(place: Place, numbers: random.Random) -> str:
    path = _a_file(place, numbers)
    path.write_bytes(numbers.randbytes(numbers.choice((1, 100, 10_000))))
    return f"wrote noise into {_name(path, place)}"


def swap(place: Place, numbers: random.Random) -> str:
    first, second = _a_file(place, numbers), _a_file(place, numbers)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    return f"swapped {_name(first, place)} and {_name(second, place)}"


def remove(place: Place, numbers: random.Random) -> str:
    path = _anything(place, numbers)
    _away(path)
    return f"removed {_name(path, place)}"


def rename(place: Place, numbers: random.Random) -> str:
    path = _anything(place, numbers)
    name = numbers.choice((f"{path.name}.bak", ".hidden", "journal-version-9.sqlite", "a\nb", "\udcff.png", "x" * 250))
    target = numbers.choice((path.parent, place.root)) / name
    with suppress(OSError):
        path.rename(target)
    return f"renamed {_name(path, place)} to {str(target.relative_to(place.root))!r}"


def folder(place: Place, numbers: random.Random) -> str:
    path = _cleared(place, numbers)
    path.mkdir()
    if numbers.random() < 0.5:
        (path / path.name).write_text("in it")
    return f"put a folder in place of {_name(path, place)}"


def special(place: Place, numbers: random.Random) -> str:
    path = _cleared(place, numbers)
    kind = numbers.choice(("FIFO", "socket", "zero", "full"))
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        _bind(path)
    elif os.geteuid():
        path.symlink_to(f"/dev/{kind}")
    else:
        os.mknod(path, 0o020666, os.makedev(1, {"zero": 5, "full": 7}[kind]))
    return f"put a {kind} in place of {_name(path, place)}"


def link(place: Place, numbers: random.Random) -> str:
    path = _cleared(place, numbers)
    target = numbers.choice(
        (
            Path("gone"),
            place.outside / "not there yet",
            Path(path.name),
            place.outside,
            place.outside / VICTIM,
            place.outside / "like" / path.relative_to(place.root),
            place.outside / "zero",
            place.root,
            Path(".."),
        )
    )
    path.symlink_to(target)
    return f"put a link to {target} in place of {_name(path, place)}"


def hard_link(place: Place, numbers: random.Random) -> str:
    path = _a_file(place, numbers)
    other = place.outside / numbers.choice((VICTIM, f"like/{_name(path, place)}"))
    with suppress(OSError):
        os.link(other, path.with_name("linked"))
        path.with_name("linked").replace(path)
    return f"made {_name(path, place)} a second name of {other.name}"


def added(place: Place, numbers: random.Random) -> str:
    """Where orch would write, under names that could be foreseen."""
    name = numbers.choice(ADDED)
    path = place.root / name
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.is_symlink() or path.exists():
        return f"found {name}"
    kind = numbers.choice(("link", "folder", "FIFO", "file"))
    if kind == "link":
        path.symlink_to(place.outside / numbers.choice((VICTIM, "not there yet", "zero", "like")))
    elif kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.write_bytes(numbers.choice((b"", b"now", b"[" * _DEEP, b"\xff\xfe", b"null")))
    return f"added a {kind} {name}"


def other_types(place: Place, numbers: random.Random) -> str:
    """A JSON file with something else in it, half of the time with the right checksum of that."""
    path = _a_json(place, numbers)
    if numbers.random() < 0.1:
        path.write_bytes(numbers.choice((b"[" * _DEEP, b'{"a":' * _DEEP, b"null", b"[]", b"1e999", b'"\\ud800"')))
        return f"wrote deep or bare JSON into {_name(path, place)}"
    return _changed_json(path, place, numbers, numbers.choice(_odd_values(place)))


def name_that_leads_out(place: Place, numbers: random.Random) -> str:
    """In `checksums.json`, all else of which is right."""
    path = place.root / "checksums.json"
    victim = place.outside / VICTIM
    digest = numbers.choice((_digest(victim.read_bytes()), "0" * 32))
    name = numbers.choice(
        (
            f"../{place.outside.name}/{VICTIM}",
            f"weights/../../{place.outside.name}/{VICTIM}",
            f"../{place.outside.name}/zero",
            str(victim),
            "weights/a\0b.safetensors",
            "weights/\udcff.safetensors",
            "weights/\ud800.safetensors",
            f"weights/{'x' * 5000}.safetensors",
            "weights/.safetensors",
            "weights//x.safetensors",
            ".",
            "",
            "journal.sqlite",
        )
    )
    if not path.is_file() or path.is_symlink() or not _is_own(path):
        return "named nothing in checksums.json, which is no file any more"
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        content = json.loads(path.read_bytes())["content"]
        which = numbers.choice(("kept", "kept", "tables"))
        content[which][name] = [digest, 1] if which == "kept" else [digest]
        path.write_bytes(_sealed(content, "checksum", {"checksum": "", "content": content}))
    return f"named {name!r:.200} in checksums.json"


def row(place: Place, numbers: random.Random) -> str:
    """A value of the journal, which is then as one that an older orch has left: nothing vouches for it."""
    path = place.root / "journal.sqlite"
    if not path.is_file() or path.is_symlink():
        return "found no journal"
    for beside in (".seal", ".mark"):
        _away(path.with_suffix(beside))
    value = numbers.choice((*_odd_values(place), b"\xff\0", sqlite3.connect))
    try:
        with closing(sqlite3.connect(path)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = numbers.choice(tables)
            column = numbers.choice([field[1] for field in db.execute(f'PRAGMA table_info("{table}")')])
            plain = json.dumps(value) if isinstance(value, list | dict) else None if callable(value) else value
            db.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ? WHERE rowid % 3 = 0', (plain,))
            db.commit()
    except (sqlite3.Error, OverflowError, UnicodeError, IndexError) as wrong:
        return f"could not change the journal: {wrong}"
    return f"set {table}.{column} in the journal to {value!r:.100}"


MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(flip, truncate, add_generated, noise, swap, remove, remove, rename, folder, special, special),
    *(link, link, link, hard_link, added, added, other_types, other_types, other_types, name_that_leads_out, row),
)
ADDED: Final = (
    *(".lock.json.tmp", ".journal.seal.tmp", ".trials.parquet.tmp", ".checksums.json.tmp", "journal.sqlite.tmp"),
    *("journal.sqlite-wal", "journal.sqlite-shm", "journal.sqlite-journal", ".lock", ".lock.json", ".stop", "damaged"),
    *(".fetched.json", "report.html", "report.md", "wandb/.lock", "wandb/.staging", "wandb/run-1", "weights/extra"),
    *("checkpoints/x", "checkpoints/x/epoch-1.json", "checkpoints/x/epoch-2.safetensors", "journal-version-2.sqlite"),
    *("curves.parquet.tmp", "weights/extra.safetensors", "pictures/extra.png", "trials", ".lease", ".take-over"),
)


def _odd_values(place: Place) -> tuple[Any, ...]:
    return (
        *(None, True, -1, 0, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x", "x" * 100_000, "../x", "a\0b"),
        *("\ud800", "\x1b[2J", "\u202e", [], {}, [[]], [None], {"": None}, {"x": {"y": []}}, "2024-01-01", 2**31, -0.0),
        *(str(place.outside / VICTIM), f"../{place.outside.name}/{VICTIM}", "/dev/zero", os.getpid(), 1, "1e999"),
    )


def _changed_json(path: Path, place: Place, numbers: random.Random, value: Any) -> str:
    try:
        text = path.read_text().splitlines()[0]
        tree = json.loads(text)
    except (OSError, ValueError, IndexError, RecursionError):
        return f"could not read {_name(path, place)}"
    places = list(_containers(tree))
    if not places:
        return f"found nothing in {_name(path, place)}"
    parent = numbers.choice(places)
    key = numbers.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    if isinstance(parent, dict) and numbers.random() < 0.2:
        parent[str(value)] = parent.pop(key)
    else:
        parent[key] = value
    right = numbers.random() < 0.7 and isinstance(tree, dict) and isinstance(tree.get("content"), dict)
    written = _sealed(tree["content"], "checksum", tree) if right else json.dumps(tree).encode()
    path.write_bytes(written + b"\n" * (path.suffix == ".jsonl"))
    return f"set {key!r:.60} in {_name(path, place)} to {value!r:.60}{', its checksum right' if right else ''}"


def _sealed(content: Any, key: str, tree: dict[str, Any]) -> bytes:
    """As checksums and checkpoints are written: with a digest of what they hold."""
    if "header" in content:
        digest, ending = _digest(json.dumps(content, separators=(",", ":")).encode()), ""
    else:
        digest, ending = _digest(json.dumps(content).encode()), "\n"
    return (json.dumps({**tree, key: digest}) + ending).encode()


def _containers(node: Any) -> Any:
    if isinstance(node, dict | list) and node:
        yield node
        for part in node.values() if isinstance(node, dict) else node:
            yield from _containers(part)


def _a_file(place: Place, numbers: random.Random) -> Path:
    """A regular one, which lies in the results directory."""
    return numbers.choice([path for path in _all(place) if path.is_file() and not path.is_symlink() and _is_own(path)])


def _a_json(place: Place, numbers: random.Random) -> Path:
    names = [path for path in _all(place) if path.suffix in (".json", ".jsonl") and path.is_file() and _is_own(path)]
    return numbers.choice([path for path in names if not path.is_symlink()] or [_a_file(place, numbers)])


def _is_own(path: Path) -> bool:
    """Small, with no second name: what is changed here is no file outside."""
    status = path.lstat()
    return status.st_nlink == 1 and status.st_size < 1 << 24


def _anything(place: Place, numbers: random.Random) -> Path:
    return numbers.choice(_all(place))


def _cleared(place: Place, numbers: random.Random) -> Path:
    path = _anything(place, numbers)
    _away(path)
    return path


def _all(place: Place) -> list[Path]:
    found = [Path(top, name) for top, folders, files in os.walk(place.root) for name in (*folders, *files)]
    return sorted(found)


def _away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bind(path: Path) -> None:
    """A socket's address is short, and its folder's may be long."""
    with socket.socket(socket.AF_UNIX) as made:
        opened = os.open(path.parent, os.O_DIRECTORY)
        try:
            made.bind(f"/proc/self/fd/{opened}/{path.name}")
        finally:
            os.close(opened)


def _name(path: Path, place: Place) -> str:
    return ascii(path.relative_to(place.root).as_posix())[1:-1]


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
