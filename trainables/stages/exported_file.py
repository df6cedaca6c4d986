"""Nets as files of torch.export (`.pt2`), and run by torch: the graph of the net, without the program that built it."""

import io
import warnings

import torch
from torch import Tensor, nn

from trainables.errors import CannotDeploy, first_cause
from trainables.stages.artifact import Artifact, of_tensors


def to_exported(module: nn.Module, pixels: Tensor) -> bytes:
    """The module as a file that takes any number of examples. pixels: two or more of them.

    Raises CannotDeploy where torch cannot write it down: where its path depends on the values of its inputs, say.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporter about itself
            dimensions = ({0: torch.export.Dim("batch")},)
            program = torch.export.export(module.eval(), (pixels,), dynamic_shapes=dimensions)
            program.example_inputs = None  # else the file has those examples, with all memory that they are a part of
            file = io.BytesIO()
            torch.export.save(program, file)
            return file.getvalue()
    except Exception as refused:  # whatever torch's exporter raises
        raise CannotDeploy(f"torch cannot export it: {first_cause(refused)}") from refused


def exported_artifact(content: bytes, module: nn.Module) -> Artifact:
    """The file of this net."""
    return of_tensors(content, ".pt2", module.state_dict().values())


class ExportedNet(nn.Module):
    """Such a file, read again: stored (batch, *shape) inputs to what the net gives."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._net = torch.export.load(io.BytesIO(content)).module()

    def forward(self, pixels: Tensor) -> Tensor:
        outputs: Tensor = self._net(pixels)
        return outputs

    def train(self, mode: bool = True) -> "ExportedNet":
        """An exported graph has one mode, which it was written in."""
        return self
