"""Weights in 8 bits: post-training quantisation (Jacob et al. 2018, CVPR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from trainables.component import AddedLater, Count
from trainables.dataset import DataInfo
from trainables.interfaces import Deployment, Model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Int8(Deployment):
    """Weights as whole numbers of 8 bits with a scale, in the layers that the runtime has such arithmetic for.

    `dynamic` finds the scales of activations anew for each batch: in fully connected and recurrent layers (torch), or in
    convolutions, matrix products and LSTMs (onnxruntime). `static` has them from training examples, and `qat` from
    training on with rounded weights and activations: convolutions, fully connected layers and what stands between them.
    """

    name: ClassVar[str] = "int8"

    kind: Literal["dynamic", "static", "qat"] = "dynamic"
    """When the scales of activations are found: as they come, before, on training examples, or while the net is trained on
    with the rounding that it will have (torch)."""
    runtime: Literal["torch", "onnxruntime"] = "torch"
    """What runs the net."""
    calibration: Count = 128
    """Training examples that `static` finds its scales on."""
    epochs: Annotated[Count, AddedLater(keeps=1)] = 1
    """Epochs for which `qat` trains on, by the parent's optimizer and regularizers."""

    @property
    def exports(self) -> bool:
        return self.runtime == "onnxruntime"

    @property
    def trains(self) -> int:
        return self.epochs if self.kind == "qat" else 0

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if self.runtime == "torch":
            return None
        if self.kind == "qat":
            return "quantisation-aware training is torch's: take runtime: torch, or kind: static"
        from trainables.stages.onnx_file import missing

        return missing()

    def make(self, parent: ParentNet) -> Variant:
        return self._in_torch(parent) if self.runtime == "torch" else self._in_onnxruntime(parent)

    def _in_torch(self, parent: ParentNet) -> Variant:
        from trainables.deployments import _torch_int8, _torch_static_int8
        from trainables.stages.variant import UNTRAINED, Variant

        training = UNTRAINED
        if self.kind == "dynamic":
            module, artifact = _torch_int8.dynamic(parent.copied())
        elif self.kind == "static":
            module, artifact = _torch_static_int8.static(parent.copied(), parent.calibration(self.calibration))
        else:
            example = next(parent.calibration(1))
            rounding = _torch_static_int8.Rounding(parent.copied(), example)
            training = parent.fine_tune(parent.learner_of(rounding), self.epochs)
            module, artifact = _torch_static_int8.quantised(rounding.rounded)
        return Variant(module, artifact, self.runtime, training=training)

    def _in_onnxruntime(self, parent: ParentNet) -> Variant:
        import torch

        from trainables.deployments import _onnx_int8
        from trainables.stages.onnx_file import OnnxNet, onnx_artifact, to_onnx
        from trainables.stages.variant import Variant

        content = to_onnx(parent.with_preprocessing(), parent.some_pixels(2))
        if self.kind == "dynamic":
            content = _onnx_int8.dynamic(content)
        else:
            content = _onnx_int8.static(content, parent.calibration(self.calibration, as_stored=True))
        net = OnnxNet(content, torch.get_num_threads())
        return Variant(net, onnx_artifact(content), self.runtime, takes_stored=True)

    def restored(self, parent: ParentNet, shipped: Mapping[str, Tensor]) -> nn.Module:
        from trainables.deployments import _torch_int8, _torch_static_int8
        from trainables.errors import WeightsError
        from trainables.stages.artifact import as_safetensors

        if self.kind == "dynamic":  # no data decides what torch makes of a net: its parent's gives the same again
            module, artifact = _torch_int8.dynamic(parent.copied())
        else:
            module, artifact = _torch_static_int8.filled(parent.copied(), parent.data.info.shape, shipped)
        if artifact.content != as_safetensors(shipped).content:
            raise WeightsError("they are not what comes of its parent's net here")
        return module
