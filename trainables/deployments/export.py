"""The same net elsewhere: written as a file of another format, and run by another runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.dataset import DataInfo
from trainables.interfaces import Deployment, Model

if TYPE_CHECKING:
    from torch import nn

    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Export(Deployment):
    """Writes the net as a file that other programs read, with its preprocessing inside, and measures what that file gives.

    It has to give what the net gives, to 1e-4 of the scale of its outputs and with any number of examples at once.
    """

    name: ClassVar[str] = "export"

    format: Literal["onnx", "torch_export"] = "onnx"
    """Of the file: ONNX, or torch's own graph (`.pt2`)."""
    runtime: Literal["onnxruntime"] = "onnxruntime"
    """What runs ONNX; a file of torch is run by torch."""

    @property
    def exports(self) -> bool:
        return True

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if self.format == "torch_export":
            return None
        from trainables.stages.onnx_file import missing

        return missing()

    def make(self, parent: ParentNet) -> Variant:
        from trainables.stages.parity import require_parity

        net = parent.with_preprocessing()
        variant = self._as_onnx(net, parent) if self.format == "onnx" else self._as_torch(net, parent)
        require_parity(net, variant.module, parent)
        return variant

    def _as_onnx(self, net: nn.Module, parent: ParentNet) -> Variant:
        import torch

        from trainables.stages.onnx_file import OnnxNet, onnx_artifact, to_onnx
        from trainables.stages.variant import Variant

        content = to_onnx(net, parent.some_pixels(2))
        module = OnnxNet(content, torch.get_num_threads())
        return Variant(module, onnx_artifact(content), self.runtime, takes_stored=True)

    def _as_torch(self, net: nn.Module, parent: ParentNet) -> Variant:
        from trainables.stages.exported_file import ExportedNet, exported_artifact, to_exported
        from trainables.stages.variant import Variant

        content = to_exported(net, parent.some_pixels(2))
        return Variant(ExportedNet(content), exported_artifact(content, net), takes_stored=True)
