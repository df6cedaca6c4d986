"""What the user has told W&B's own settings files, which `wandb login`, `wandb offline` and `wandb disabled` write."""

import configparser
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DEFAULT_URL: Final = "https://api.wandb.ai"
_SECTION: Final = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of such a file."""

    value: str
    path: Path


def settings_of_files() -> dict[str, Setting]:
    """By name. As the SDK has it, the working folder's file is above the user's."""
    return {name: Setting(value, path) for path in _files() for name, value in _read(path).items()}


def base_url() -> str:
    """Of the server, whose address stands in WANDB_BASE_URL or in a settings file where it is not W&B's own."""
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
