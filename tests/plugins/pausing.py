"""A plug-in as somebody leaves it who looks for a mistake: the regularizer `pause` stops in a debugger, or breaks."""

from typing import Any, Literal

from torch import nn

from trainables.interfaces import Regularizer


class Pause(Regularizer):
    """Does what its parameter says as it is handed the model."""

    name = "pause"
    at: Literal["breakpoint", "wrapped", "error", "nothing"] = "breakpoint"

    def on_model(self, module: nn.Module) -> None:
        parameters = sum(part.numel() for part in module.parameters())
        match self.at:
            case "breakpoint":
                breakpoint()
            case "wrapped":
                _breaks(parameters)
            case "error":
                raise ValueError(f"no net of {parameters} parameters")


def _breaks(parameters: Any) -> None:
    try:
        breakpoint()
    except Exception as error:
        raise RuntimeError(f"cannot go on with {parameters}") from error
