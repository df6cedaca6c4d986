"""Weights on disk."""

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from trainables.training.weights import save_weights


def test_tied_and_channels_last_weights_come_back_as_they_were(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    state = {**module.state_dict(), "tied": module[0].weight}
    path = tmp_path / "weights" / "0123.safetensors"
    save_weights(state, path, {"trial_id": "0123"})
    loaded = load_file(path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    assert [found.name for found in path.parent.iterdir()] == ["0123.safetensors"]


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.safetensors"
    save_weights({"a": torch.ones(2)}, path, {})
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_weights({"a": torch.zeros(2)}, path, {})
    assert load_file(path)["a"].tolist() == [1.0, 1.0]
    assert len(list(tmp_path.iterdir())) == 1
