"""The same net elsewhere: written as a file of another format, and run by another runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.dataset import DataInfo
from trainables.interfaces import Deployment, Model

if TYPE_CHECKING:
    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Export(Deployment):
    """Writes the net as a file that other programs read, with its preprocessing inside, and measures what that file gives.

    It has to give what the net gives, to 1e-4 of the scale of its outputs and with any number of examples at once.
    """

    name: ClassVar[str] = "export"

    format: Literal["onnx"] = "onnx"
    """Of the file."""
    runtime: Literal["onnxruntime"] = "onnxruntime"
    """What runs it."""

    @property
    def exports(self) -> bool:
        return True

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        from trainables.stages.onnx_file import missing

        return missing()

    def make(self, parent: ParentNet) -> Variant:
        import torch

        from trainables.stages.onnx_file import OnnxNet, onnx_artifact, to_onnx
        from trainables.stages.parity import require_parity
        from trainables.stages.variant import Variant

        net = parent.with_preprocessing()
        content = to_onnx(net, parent.some_pixels(2))
        module = OnnxNet(content, torch.get_num_threads())
        require_parity(net, module, parent)
        return Variant(module, onnx_artifact(content), self.runtime, takes_stored=True)
