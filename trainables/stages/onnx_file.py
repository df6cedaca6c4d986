"""Nets as ONNX files, and run by onnxruntime. Both packages are extras: `pip install 'orch-grid[deploy]'`."""

import warnings
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from trainables.errors import CannotDeploy, first_cause
from trainables.stages.artifact import Artifact, of_tensors
from trainables.stages.exported_file import to_exported

NEEDED: Final = ("onnx", "onnxscript", "onnxruntime")
INPUT: Final = "pixels"
OUTPUT: Final = "outputs"


def missing() -> str | None:
    """What to install, where a package is not there; None where all are."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    return f"{' and '.join(lacking)} is not installed: pip install 'orch-grid[deploy]'" if lacking else None


def load_exporter() -> None:
    """Have torch do what it does as a process writes down a net for the first time: its compiler changes its classes."""
    with torch.random.fork_rng([]):
        write = to_exported if missing() else to_onnx
        write(_Recurrent(), torch.zeros(2, 1, 1))


class _Recurrent(nn.Module):
    """A net for which the exporter needs all that it ever needs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(1, 1, batch_first=True)

    def forward(self, steps: Tensor) -> Tensor:
        outputs: Tensor = self.layer(steps)[0]
        return outputs


def to_onnx(module: nn.Module, pixels: Tensor) -> bytes:
    """The module as an ONNX file that takes any number of examples. pixels: two or more of them.

    Raises CannotDeploy where torch cannot write it down: where its path depends on the values of its inputs, say.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporter about itself
            program = torch.onnx.export(
                module.eval(),
                (pixels,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
        assert program is not None
        return bytes(program.model_proto.SerializeToString())
    except Exception as refused:  # whatever torch's exporter raises
        raise CannotDeploy(f"torch cannot export it to ONNX: {first_cause(refused)}") from refused


def onnx_artifact(content: bytes) -> Artifact:
    """A file with what numbers it holds."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    held = [torch.from_numpy(np.array(numpy_helper.to_array(each))) for each in graph.initializer]
    return of_tensors(content, ".onnx", held)


class OnnxNet(nn.Module):
    """A file in onnxruntime, on the CPU: stored (batch, *shape) inputs to float32 (batch, outputs)."""

    def __init__(self, content: bytes, threads: int) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # threads that spin take the cores from whoever works beside them: torch was 50 times slower (onnxruntime#13808)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def forward(self, pixels: Tensor) -> Tensor:
        (outputs,) = self._session.run([OUTPUT], {INPUT: pixels.contiguous().numpy()})
        return torch.from_numpy(outputs)
