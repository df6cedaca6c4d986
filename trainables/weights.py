"""Weights on disk: safetensors, never pickle, and never half a file."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch
from safetensors.torch import load_file, save
from torch import Tensor


def save_weights(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a module's `state_dict()` so that a reader sees the whole file or none. Raises OSError."""
    # safetensors takes neither tensors that share memory nor other layouts than row by row
    plain = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as unfinished:
        try:
            unfinished.write(save(plain, dict(metadata)))
            unfinished.flush()
            os.fsync(unfinished.fileno())
            Path(unfinished.name).replace(path)
        except BaseException:
            Path(unfinished.name).unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors by name, on the CPU. Raises OSError, safetensors.SafetensorError."""
    return load_file(path)


def _sync_folder(folder: Path) -> None:
    """Makes the new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
