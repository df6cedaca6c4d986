"""The commented grid that `orch init` writes."""

import re
from pathlib import Path

from orchestrator.errors import UserError


def write_starter(path: Path) -> None:
    """Write a valid grid to start from, named after the file. Never overwrites. Raises UserError."""
    text = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8").format(name=_name(path), file=path)
    try:
        with path.open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    except FileExistsError:
        raise UserError(f"{path} exists; orch init does not overwrite it, give another name") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def _name(path: Path) -> str:
    """A sweep name as near to the file's as the rules for names allow."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100]
    return plain or "my-sweep"
