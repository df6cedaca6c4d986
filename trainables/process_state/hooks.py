"""Hooks of torch that act on every module, or every optimizer, of the process."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from torch.nn.modules import module
from torch.optim import optimizer  # torch removes the name from its package, and the module stays

from trainables.process_state.change import After, Change


class GlobalHooks:
    """Those that are there when this is made."""

    def __init__(self) -> None:
        self._tables = [*_tables(module), *_tables(optimizer)]
        self._before = [list(table.items()) for table in self._tables]

    def begin(self) -> None:
        return

    def settle(self) -> Iterator[Change]:
        for table, before in zip(self._tables, self._before, strict=True):
            if len(table) != len(before) or any(table.get(key) is not hook for key, hook in before):
                table.clear()
                table.update(before)
                yield Change("changed the hooks of all modules or optimizers", After.REPLACE)


def _tables(owner: ModuleType) -> list[dict[int, Any]]:
    """torch keeps a dictionary for each kind of hook, all named alike."""
    return [value for name, value in vars(owner).items() if name.startswith("_global_") and isinstance(value, dict)]
