"""Weights in 8 bits for onnxruntime: an ONNX file made smaller by its own tools."""

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from trainables.deployments._share import require_share
from trainables.stages.onnx_file import INPUT

_IN_8_BITS: Final = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
_PREPROCESSING: Final = ("Cast", "Mul", "Add")
"""What stands before the net, in this order (`WithPreprocessing`): the pixels' own 8 bits are no scale to round to."""


def dynamic(content: bytes) -> bytes:
    """Scales of activations as they come. Raises CannotDeploy where nearly nothing of it is quantised."""

    def quantise(before: Path, after: Path) -> None:
        quantize_dynamic(before, after, weight_type=QuantType.QInt8, nodes_to_exclude=_before_the_net(before))

    return _quantised(content, quantise, "convolutions, matrix products and LSTMs")


def static(content: bytes, calibration: Iterator[Tensor]) -> bytes:
    """Scales of activations as these batches of stored examples have them. Raises CannotDeploy as `dynamic`."""

    def quantise(before: Path, after: Path) -> None:
        quantize_static(
            before,
            after,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_before_the_net(before),
        )

    return _quantised(content, quantise, "convolutions and matrix products")


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, batches: Iterator[Tensor]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch.numpy()}


def _quantised(content: bytes, quantise: Callable[[Path, Path], None], layers: str) -> bytes:
    with TemporaryDirectory(prefix="orch-") as folder, _silent():
        given, before, after = (Path(folder) / name for name in ("given.onnx", "before.onnx", "after.onnx"))
        given.write_bytes(content)
        quant_pre_process(given, before)
        quantise(before, after)
        made = after.read_bytes()
    weights = [each for each in onnx.load_from_string(made).graph.initializer if len(each.dims) > 1]
    whole = sum(math.prod(each.dims) for each in weights if each.data_type in _IN_8_BITS)
    require_share(whole, sum(math.prod(each.dims) for each in weights) - whole, layers)
    return made


def _before_the_net(path: Path) -> list[str]:
    """The names of the nodes that are preprocessing."""
    nodes, reached, found = list(onnx.load(path).graph.node), INPUT, []
    for wanted in _PREPROCESSING:
        node = next((node for node in nodes if reached in node.input and node.op_type == wanted), None)
        if node is None:
            break
        found.append(node.name)
        reached = node.output[0]
    return found


@contextmanager
def _silent() -> Iterator[None]:
    """Without the advice that onnxruntime's tools give, and the handler that the root logger gets where it has none."""
    before, nowhere = logging.root.manager.disable, logging.NullHandler()
    logging.disable(logging.WARNING)
    logging.root.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.removeHandler(nowhere)
        logging.disable(before)
