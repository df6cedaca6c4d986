"""What the user's surroundings say of W&B as a whole: that nothing be sent. That stands above any grid and any option."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.reports.wandb_settings import settings_of_files

_SENDS: Final = frozenset({"", "online", "run", "shared"})
"""Values of a mode with which the SDK sends. One that it does not know, such as a slip of `offline`, does not send."""
_NO: Final = frozenset({"", "0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class Wish:
    """Not to send."""

    mode: Literal["offline", "disabled"]
    """`offline`: runs may be written into folders; `disabled`: nothing is written."""
    source: str
    """Where it stands, as its user knows it."""

    @property
    def told(self) -> str:
        what = "written into folders, and not sent" if self.mode == "offline" else "neither sent nor written"
        return f"{self.source} is set: W&B runs are {what}"


def wish() -> Wish | None:
    """The strictest that there is; None where nothing speaks against sending. The wish to send is none: a grid decides."""
    found = list(_found())
    return next((one for one in found if one.mode == "disabled"), next(iter(found), None))


def wished(mode: str) -> tuple[str, Wish | None]:
    """The mode in place of the one that a grid or an option asks for, and the wish that made it another one."""
    if mode not in ("auto", "online") or (against := wish()) is None:
        return mode, None
    return against.mode, against


def _found() -> Iterator[Wish]:
    mode = os.environ.get("WANDB_MODE", "")
    yield from _of_mode(mode, f"WANDB_MODE={mode}")
    disabled = os.environ.get("WANDB_DISABLED", "")
    if _is_yes(disabled):
        yield Wish("disabled", f"WANDB_DISABLED={disabled}")
    of_files = settings_of_files()
    if (there := of_files.get("mode")) is not None and not mode.strip():  # the environment is above the files
        yield from _of_mode(there.value, f"`mode = {there.value}` in {there.path}")
    if (there := of_files.get("disabled")) is not None and _is_yes(there.value):
        yield Wish("disabled", f"`disabled = {there.value}` in {there.path}")


def _of_mode(value: str, source: str) -> Iterator[Wish]:
    asked = value.strip().lower()
    if asked not in _SENDS:
        yield Wish("disabled" if asked == "disabled" else "offline", source)


def _is_yes(value: str) -> bool:
    return value.strip().lower() not in _NO
