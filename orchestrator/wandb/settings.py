"""What the user's surroundings say of W&B as a whole: that nothing be sent. That stands above any grid and any option."""

import configparser
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

# What the user has told W&B's own settings files, which `wandb login`, `wandb offline` and `wandb disabled` write.

_DEFAULT_URL: Final = "https://api.wandb.ai"
_SECTION: Final = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of such a file."""

    value: str
    path: Path


def settings_of_files() -> dict[str, Setting]:
    """Return settings by name. As the SDK has it, the working folder's file is above the user's."""
    return {name: Setting(value, path) for path in _files() for name, value in _read(path).items()}


def base_url() -> str:
    """Return the server's address: that of WANDB_BASE_URL or of a settings file, where it is not W&B's own."""
    there = settings_of_files().get("base_url")
    return (os.environ.get("WANDB_BASE_URL") or (there.value if there else "") or _DEFAULT_URL).rstrip("/")


def _files() -> Iterator[Path]:
    folder = os.environ.get("WANDB_CONFIG_DIR")
    with suppress(RuntimeError):  # this user has no home
        yield Path(folder).expanduser() / "settings" if folder else Path.home() / ".config" / "wandb" / "settings"
    root = Path(os.environ.get("WANDB_DIR") or ".")
    yield root / (".wandb" if (root / ".wandb").exists() else "wandb") / "settings"


def _read(path: Path) -> dict[str, str]:
    """Empty where it cannot be read, which the SDK takes so too."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if not path.is_file():  # a FIFO would keep us waiting
            return {}
        parser.read_string(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, configparser.Error):
        return {}
    return dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}


_SENDS: Final = frozenset({"", "online", "run", "shared"})
"""Values of a mode with which the SDK sends. One that it does not know, such as a slip of `offline`, does not send."""
_NO: Final = frozenset({"", "0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class Wish:
    """The user's setting that nothing is sent."""

    mode: Literal["offline", "disabled"]
    """`offline`: runs may be written into folders; `disabled`: nothing is written."""
    source: str
    """Where it stands, as its user knows it."""

    @property
    def message(self) -> str:
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
