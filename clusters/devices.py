"""The GPUs of this machine, as torch sees them, without torch in this process."""

import json
import subprocess
import sys
from functools import cache
from glob import glob
from typing import Final

_SIGNS: Final = ("/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""NVIDIA's, a Jetson's, AMD's, and those of Linux within Windows: where none is, no torch finds a GPU."""
_ASK: Final = (
    "import json; from torch import cuda;"
    " print(json.dumps([cuda.get_device_name(number) for number in range(cuda.device_count())]))"
)


@cache
def gpu_names() -> tuple[str, ...]:
    """One for each GPU that a trial started here would find.

    A process of its own is asked: torch takes 500 MB of the driver's memory, and a GPU's name a part of that GPU's.
    """
    if not any(glob(sign) for sign in _SIGNS):  # noqa: PTH207 - patterns of absolute paths
        return ()
    answer = subprocess.run([sys.executable, "-P", "-c", _ASK], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own text
    return tuple(json.loads(answer.stdout.splitlines()[-1]))
