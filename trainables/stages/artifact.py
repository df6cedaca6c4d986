"""What is shipped of a net: its bytes, and how much of them is needed."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor


@dataclass(frozen=True)
class Artifact:
    """A file of a net."""

    content: bytes
    suffix: str
    """Of its name: `.safetensors`, `.onnx`."""
    numbers: int
    """Weights and what else of numbers it holds."""
    nonzero: int
    """Those among them that are not 0."""
    tensor_bytes: int
    """Memory of these numbers."""

    @property
    def packed_bytes(self) -> int:
        """Size after lossless compression (zlib): zeros take no room then."""
        return len(zlib.compress(self.content, 6))

    @property
    def nonzero_share(self) -> float:
        """1 where it has no numbers."""
        return self.nonzero / self.numbers if self.numbers else 1.0


def as_safetensors(tensors: Mapping[str, Tensor]) -> Artifact:
    """A safetensors file of these, in their names' order."""
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    return of_tensors(save(plain), ".safetensors", plain.values())


def of_tensors(content: bytes, suffix: str, tensors: Iterable[Tensor]) -> Artifact:
    """A file whose numbers these are."""
    held = list(tensors)
    return Artifact(
        content,
        suffix,
        numbers=sum(tensor.numel() for tensor in held),
        nonzero=sum(int(torch.count_nonzero(tensor)) for tensor in held),
        tensor_bytes=sum(tensor.numel() * tensor.element_size() for tensor in held),
    )
