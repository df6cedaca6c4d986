"""Random numbers of the training, each stream from its own seed."""

from hashlib import blake2b

import torch
from torch import Tensor

from trainables.context import Context
from trainables.interfaces import State
from trainables.records import Seeds


class RandomStreams:
    """Every rank augments and drops out on its own, in the same order of examples.

    Layers such as dropout draw from torch's own generators, which have their seed from here, or from one of the trial's.
    """

    def __init__(self, seeds: Seeds, context: Context, layers: torch.Generator | None = None) -> None:
        """layers: what layers draw from, where other trials draw in this process meanwhile."""
        self._seeds, self._context, self._layers = seeds, context, layers
        self._seed_layers(_of_rank("layers", seeds.augment, context.rank))
        self.shuffle = torch.Generator().manual_seed(seeds.shuffle)
        """The same on every rank: each takes its part of the same batches."""
        self.augment = torch.Generator(context.device).manual_seed(_of_rank("augment", seeds.augment, context.rank))

    def state(self) -> State:
        """Return the state of all ranks; called by each."""
        mine = torch.cat(self._states())
        everyone = self._context.gather(mine[None].to(self._context.device)).cpu()
        return {"order": self.shuffle.get_state(), "ranks": everyone}

    def load_state(self, state: State, epoch: int) -> None:
        """Go on from a state that was taken after this epoch.

        Another number of ranks draws anew, from seed, rank and epoch; the order of examples goes on all the same.
        """
        self.shuffle.set_state(state["order"])
        everyone: Tensor = state["ranks"]
        if len(everyone) != self._context.world_size:
            self._draw_anew(epoch)
            return
        lengths = [len(part) for part in self._states()]
        layers, augment, *of_device = torch.split(everyone[self._context.rank], lengths)
        if self._layers is None:
            torch.set_rng_state(layers.clone())
        else:
            self._layers.set_state(layers.clone())
        self.augment.set_state(augment.clone())
        for part in of_device:
            torch.cuda.set_rng_state(part.clone(), self._context.device)

    def _states(self) -> list[Tensor]:
        """Return this rank's own states, uint8."""
        device = self._context.device
        if self._layers is not None:
            return [self._layers.get_state(), self.augment.get_state()]
        of_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
        return [torch.get_rng_state(), self.augment.get_state(), *of_device]

    def _seed_layers(self, seed: int) -> None:
        if self._layers is None:
            torch.manual_seed(seed)
        else:
            self._layers.manual_seed(seed)

    def _draw_anew(self, epoch: int) -> None:
        seed, rank = self._seeds.augment, self._context.rank
        self._seed_layers(_of_rank(f"layers after {epoch}", seed, rank))
        self.augment.manual_seed(_of_rank(f"augment after {epoch}", seed, rank))


def _of_rank(purpose: str, seed: int, rank: int) -> int:
    return int.from_bytes(blake2b(f"{purpose}:{seed}:{rank}".encode(), digest_size=8).digest(), "big") >> 1
