"""What may stand behind `pretrained:`, for a hint at a wrong name: torchvision's classifiers and others."""

from collections.abc import Sequence
from typing import Final

from trainables.models import _torchvision_names

OTHERS: Final = ("efficientnet_lite0", "safetensors")
"""Those that are not torchvision's."""


def names() -> Sequence[str]:
    """Return them sorted."""
    return sorted([*_torchvision_names.names(), *OTHERS])
