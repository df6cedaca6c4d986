"""The command line that was given."""

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """To be pasted again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["orch" if program == "__main__.py" else program, *sys.argv[1:]])
