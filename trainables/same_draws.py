"""The same random draws (dropout) in every evaluation of one batch, as a line search needs them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class SameDraws:
    """Remembers where torch's own generators stand when it is made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._on_cpu = torch.get_rng_state()
        self._on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside, what is drawn is what was drawn from there on; afterwards all is as it was before."""
        with torch.random.fork_rng([] if self._on_device is None else [self._device]):
            torch.set_rng_state(self._on_cpu)
            if self._on_device is not None:
                torch.cuda.set_rng_state(self._on_device, self._device)
            yield
