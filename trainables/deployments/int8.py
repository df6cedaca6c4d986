"""Weights in 8 bits: post-training quantisation (Jacob et al. 2018, CVPR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.component import Count
from trainables.dataset import DataInfo
from trainables.interfaces import Deployment, Model

if TYPE_CHECKING:
    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Int8(Deployment):
    """Weights as whole numbers of 8 bits with a scale, in the layers that the runtime has such arithmetic for.

    `dynamic` finds the scales of activations anew for each batch: in fully connected and recurrent layers (torch), or in
    convolutions and matrix products (onnxruntime). `static` has them from training examples, and needs onnxruntime.
    """

    name: ClassVar[str] = "int8"

    kind: Literal["dynamic", "static"] = "dynamic"
    """When the scales of activations are found: as they come, or before, on training examples."""
    runtime: Literal["torch", "onnxruntime"] = "torch"
    """What runs the net."""
    calibration: Count = 128
    """Training examples that `static` finds its scales on."""

    @property
    def exports(self) -> bool:
        return self.runtime == "onnxruntime"

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if self.runtime == "onnxruntime":
            from trainables.stages.onnx_file import missing

            return missing()
        if self.kind == "static":
            return "torch's static quantisation goes with torch.ao; take runtime: onnxruntime, or kind: dynamic"
        return None

    def make(self, parent: ParentNet) -> Variant:
        from trainables.stages.variant import Variant

        if self.runtime == "torch":
            from trainables.deployments import _torch_int8

            module, artifact = _torch_int8.dynamic(parent.copied())
            return Variant(module, artifact, self.runtime)
        import torch

        from trainables.deployments import _onnx_int8
        from trainables.stages.onnx_file import OnnxNet, onnx_artifact, to_onnx

        content = to_onnx(parent.with_preprocessing(), parent.some_pixels(2))
        if self.kind == "dynamic":
            content = _onnx_int8.dynamic(content)
        else:
            content = _onnx_int8.static(content, parent.calibration(self.calibration, as_stored=True))
        net = OnnxNet(content, torch.get_num_threads())
        return Variant(net, onnx_artifact(content), self.runtime, takes_stored=True)
