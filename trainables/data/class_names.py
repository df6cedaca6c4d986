"""Class names that a Parquet file's metadata tells, in label order."""

import json
from pathlib import Path
from typing import Any, Final

from trainables.errors import DataError

_WANTED: Final = "give a JSON list of texts, or names joined by commas"


def class_names(metadata: dict[bytes, bytes], label: str, path: Path) -> tuple[str, ...]:
    """The names under the key `classes`, else in the Hugging Face feature of the label column; none where none are told.

    `classes` is a JSON list, or names joined by commas. Raises DataError where it is neither, or names one class twice.
    """
    names = _listed(metadata[b"classes"], path) if b"classes" in metadata else _feature_names(metadata, label)
    if len(set(names)) < len(names) or "" in names:
        raise DataError(f"the metadata of {path} names a class twice or not at all: {', '.join(names)}")
    return names


def _listed(value: bytes, path: Path) -> tuple[str, ...]:
    try:
        text = value.decode().strip()
        names = json.loads(text) if text.startswith(("[", "{")) else text.split(",")
    except (ValueError, RecursionError) as damage:
        raise DataError(f"`classes` in the metadata of {path} cannot be read: {damage}; {_WANTED}") from damage
    if not _are_names(names):
        raise DataError(f"`classes` in the metadata of {path} is {text}; {_WANTED}")
    return tuple(name.strip() for name in names)


def _feature_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    # https://github.com/huggingface/datasets, ArrowWriter: the features of a table, of which a ClassLabel has names
    try:
        names = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]["names"]
    # of another shape, or of another kind of column: it names no classes
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(names) if _are_names(names) else ()


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
