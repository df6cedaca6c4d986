"""Weights on disk: safetensors, never pickle, and never half a file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from trainables.whole_file import write_whole


def save_weights(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a module's `state_dict()` so that a reader sees the whole file or none. Raises OSError."""
    # safetensors takes neither tensors that share memory nor other layouts than row by row
    plain = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    write_whole(save(plain, dict(metadata)), path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors by name, on the CPU. Raises OSError, safetensors.SafetensorError."""
    return load_file(path)
