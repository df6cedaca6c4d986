"""Weights on disk: safetensors, never pickle, and never half a file."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trainables.data.files import atomic_write
from trainables.errors import WeightsError
from trainables.training.safetensors_header import read_header


def save_weights(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a module's `state_dict()` so that a reader sees the whole file or none. Raises OSError."""
    # safetensors takes neither tensors that share memory nor other layouts than row by row
    plain = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    atomic_write(save(plain, dict(metadata)), path)


def load_checked(path: Path, content: str | None) -> dict[str, Tensor]:
    """The tensors by name of a file from anywhere. Raises WeightsError: damaged, or not of this content.

    content: as `weights_digest` gives it, or None where any will do.
    """
    read_header(path)
    try:
        data = path.read_bytes()
        if content is not None and _digest(data) != content:
            raise WeightsError(f"the weights in {path} are not those that were planned; the file has changed since")
        return load(data)
    except (OSError, SafetensorError) as refused:
        raise WeightsError(f"cannot read the weights in {path}: {refused}") from refused


def weights_digest(path: Path) -> str:
    """32 hex digits of the file's bytes. Raises OSError."""
    return _digest(path.read_bytes())


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
