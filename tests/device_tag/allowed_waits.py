"""The places where the host waits for the device in a step of training and may, each with its reason. All others may not.

A component that is not named here has no wait in its steps. What is named has to be found: a reason that no longer stands
is a failure.
"""

from collections.abc import Mapping
from typing import Final

from tests.device_tag.waits import Site

_LEARNER: Final = "trainables/training/learner.py"

IN_STEPS: Final[Mapping[str, Mapping[Site, str]]] = {
    "lbfgs": {
        Site(_LEARNER, "_mean"): "the line search compares losses, on the host",
        Site(
            "trainables/optimizers/_lbfgs.py", "step"
        ): "torch's L-BFGS decides on the host how far it goes, and whether",
    },
    "adafactor": {
        Site(_LEARNER, "step"): "torch's Adafactor scales each step by the size of the parameter, which it reads",
    },
    "sgan": {
        Site("trainables/data/batches.py", "beside"): "the order of the unlabelled images, once each time round",
    },
    "imagenet": {
        Site(
            "trainables/data/streaming.py", "gathered"
        ): "each batch is decoded on the CPU while it is used, and copied",
    },
}
"""By the component."""

DATA_ON_THE_CPU: Final[Mapping[Site, str]] = {
    Site("trainables/data/batches.py", "gathered"): "each batch is copied from where the data lie",
}
"""Where the examples take more than half of the device's memory, and stay on the CPU."""
