"""Several modules of one structure as one, which passes a batch of each through them all at once.

Activations come in two layouts. Maps are (batch, width * channels, height, width of the image): the channels of one
place after those of another, for convolutions in as many groups. Everything else is (width, batch, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, cast, runtime_checkable

import torch
from torch import Tensor, nn

from trainables.errors import CannotFuse
from trainables.fusion.rows import Rows

Layer = Callable[[Tensor], Tensor]
"""From the activations of all places to those behind a layer."""
Parts = Sequence[nn.Module | None]
"""The modules at one path of the nets, one for each place; None where nobody is."""
Layout = Literal["maps", "vectors"]
Makers = Mapping[type[nn.Module], Callable[[Parts, "Stack", str], Layer]]
"""What makes the layer of modules of exactly one type, of them, the stack and their path."""


@runtime_checkable
class Stackable(Protocol):
    """A module of one's own that knows how several of it pass at once.

    What a class names in `apart` are settings that each place may have for itself; all others have to be equal.
    """

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        """The layer of all parts, whose parameters are `stack.leaf(f"{path}name")`. Raises CannotFuse."""


@dataclass(slots=True)
class Passing:
    """What layers have to know of the pass under way."""

    training: bool = True
    active: tuple[int, ...] = ()
    """The places that learn from it; what the others have is not to change."""
    generators: list[torch.Generator | None] = field(default_factory=list)
    """Of each place, for what its layers draw."""


class Stack:
    """The nets of all places. Those at free places are zeros."""

    def __init__(self, modules: Parts, generators: Sequence[torch.Generator | None], makers: Makers) -> None:
        """makers: of the layers that do not say themselves how they pass. Raises CannotFuse: one cannot be stacked."""
        self._makers = makers
        self.width = len(modules)
        self.rows = Rows(modules)
        self.passing = Passing(generators=list(generators))
        self._buffers: list[Tensor] = []
        self._numbers = torch.arange(self.width, device=self.rows.values.device).unbind()
        self._indices: dict[tuple[int, ...], Tensor] = {}
        first = first_of(modules)
        self.layout: Layout = _layout(first)
        self._forward = self.layer(modules, "")

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs: of all places, in this net's layout. To (width, batch, outputs)."""
        return self._forward(inputs)

    def leaf(self, name: str) -> Tensor:
        """The parameter of that name of all places, (width, *its shape)."""
        return self.rows.leaf(name)

    def index(self, places: Sequence[int]) -> Tensor:
        """The places as an index on the device, int64, put together there: an upload would have each step wait."""
        key = tuple(places)
        if key not in self._indices:
            self._indices[key] = torch.stack([self._numbers[place] for place in key])
        return self._indices[key]

    def layer(self, parts: Parts, path: str) -> Layer:
        """What the modules at one path do, all at once. path: with a dot at its end, or empty. Raises CannotFuse."""
        first = first_of(parts)
        for part in parts:
            if part is not None:
                _refuse_changed(part, path)
                if type(part) is not type(first) or not _alike(part, first):
                    raise CannotFuse(
                        f"the nets are not of the same layers: {path or 'the whole'} is another in one of them"
                    )
        if isinstance(first, Stackable) and "stacked" in vars(type(first)):
            return type(first).stacked(cast(Any, parts), self, path)  # all of its own type, as was seen
        if (make := self._makers.get(type(first))) is None:
            raise CannotFuse(f"{path or 'the net '}{type(first).__name__} is a layer that cannot be stacked")
        return make(parts, self, path)

    def child(self, parts: Parts, path: str, name: str) -> Layer:
        """The layer of the parts' child of this name."""
        children = [None if part is None else part.get_submodule(name) for part in parts]
        return self.layer(children, f"{path}{name}.")

    def buffer(self, parts: Parts, name: str) -> Tensor:
        """The modules' buffers of this name, (width, *its shape), which theirs are views of from now on."""
        found = [None if part is None else part.get_buffer(name) for part in parts]
        some = next(each for each in found if each is not None)
        stacked = torch.stack([torch.zeros_like(some) if each is None else each for each in found])
        for place, part in enumerate(parts):
            if part is not None:
                part.register_buffer(name, stacked[place])
        self._buffers.append(stacked)
        return stacked

    @contextmanager
    def learning(self, active: Sequence[int], others: Sequence[int]) -> Iterator[None]:
        """Inside, a pass is one of training for the active places, and the others' buffers come out as they were."""
        self.passing.training, self.passing.active = True, tuple(active)
        kept = [buffer.index_select(0, self.index(others)) for buffer in self._buffers] if others else []
        yield
        for buffer, before in zip(self._buffers, kept, strict=False):
            buffer.index_copy_(0, self.index(others), before)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Inside, a pass changes nothing and draws nothing."""
        self.passing.training, self.passing.active = False, ()
        with torch.inference_mode():
            yield


def first_of(parts: Parts) -> nn.Module:
    """Of the first place that anybody has."""
    return next(part for part in parts if part is not None)


def maps_to_vectors(maps: Tensor, width: int) -> Tensor:
    """(batch, width * channels, ...) to (width, batch, channels, ...)."""
    return by_place(maps, width).transpose(0, 1)


def by_place(maps: Tensor, width: int) -> Tensor:
    """(batch, width * channels, ...) to (batch, width, channels, ...)."""
    return maps.reshape(len(maps), width, -1, *maps.shape[2:])


def vectors_to_maps(vectors: Tensor) -> Tensor:
    """(width, batch, channels, ...) to (batch, width * channels, ...)."""
    return vectors.transpose(0, 1).flatten(1, 2)


def _layout(module: nn.Module) -> Layout:
    """What the first layer reads to which that matters."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            return "maps"
        if isinstance(part, nn.Linear | nn.Flatten | nn.RNNBase):
            return "vectors"
    raise CannotFuse("the net has no layer that reads images")


def _alike(part: nn.Module, first: nn.Module) -> bool:
    """Whether two modules of one type have the same settings and the same children, by name."""
    if [name for name, _ in part.named_children()] != [name for name, _ in first.named_children()]:
        return False
    one, other = _settings(part), _settings(first)
    return one.keys() == other.keys() and all(bool(value == other[name]) for name, value in one.items())


def _settings(part: nn.Module) -> dict[str, Any]:
    """What a module has beside parameters, buffers and children, but for what its places may each have for themselves."""
    apart: frozenset[str] = getattr(type(part), "apart", frozenset())
    return {name: value for name, value in vars(part).items() if name[0] != "_" and name not in {"training", *apart}}


def _refuse_changed(part: nn.Module, path: str) -> None:
    """What was put around or in place of a layer's own pass would be left out."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    if any(hooks) or "forward" in vars(part):
        raise CannotFuse(f"{path or 'the net '}{type(part).__name__} has hooks, or a pass that was put in its place")
    if not part.training:
        raise CannotFuse(f"{path or 'the net '}{type(part).__name__} is left in evaluation while the net trains")
