"""A process's state, taken when it is warm and compared after each trial."""

from collections.abc import Callable
from functools import partial
from typing import Final

from trainables.process_state import python_settings, torch_settings
from trainables.process_state.change import After, Change, Settings, SideEffects, Watch
from trainables.process_state.code import Code
from trainables.process_state.late_compiler import put_off_compiler
from trainables.process_state.left_behind import OpenFiles, Processes, Threads
from trainables.process_state.places import ModulePath, StandardStreams, Umask, WorkingDirectory
from trainables.process_state.torch_settings import GlobalHooks

put_off_compiler()  # before a state is taken, of which torch's functions are part

KINDS: Final[tuple[Callable[[], Watch], ...]] = (
    partial(Settings, python_settings.SETTINGS),
    partial(Settings, torch_settings.SETTINGS),  # before `Code`: the default dtype brings a class of torch with it
    Code,
    GlobalHooks,
    WorkingDirectory,
    Umask,
    ModulePath,
    StandardStreams,
    Threads,
    Processes,
    OpenFiles,
)


class ProcessState:
    """Made, and asked, by the thread that trains: some of torch's switches are a thread's own."""

    def __init__(self) -> None:
        self._watches = [kind() for kind in KINDS]
        self._loaded: set[Callable[[], None]] = set()

    def load(self, load: Callable[[], None]) -> None:
        """Call it, once: what it changes of the process is no trial's doing. Raises what it raises."""
        if load in self._loaded:
            return
        self._loaded.add(load)
        try:
            load()
        finally:
            self._watches = [kind() for kind in KINDS]

    def begin(self) -> None:
        for watch in self._watches:
            watch.begin()

    def settle(self) -> SideEffects | None:
        """Put back what the trial that has just ended changed. What it was; None where there is nothing."""
        found: list[Change] = []
        for watch in self._watches:
            try:
                found += watch.settle()
            except Exception as raised:  # noqa: BLE001 - what cannot be looked at any more is changed beyond telling
                found.append(Change(f"changed {type(watch).__name__} ({type(raised).__name__})", After.UNFIT))
        return SideEffects(tuple(found)) if found else None
