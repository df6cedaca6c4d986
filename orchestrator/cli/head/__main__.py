"""`python -m orchestrator.cli.head`, on the head of a cluster: carries out the request that travelled with the code."""

import json
import os
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from orchestrator.errors import OrchError, UserError
from orchestrator.remote.archive import PACK, pack
from orchestrator.remote.request import CLUSTER, LOOKS, RESULTS, Answer, Request
from trainables.data.files import JOURNAL


def main(folder: Path) -> int:
    """Run the command and print its answer as the last line of the log; the exit code is the command's."""
    from orchestrator.cli import exit_code

    request = Request.read(folder)
    sys.argv = list(request.shown)
    _name_this_ray(folder / CLUSTER)
    output, errors = StringIO(), StringIO()
    with ExitStack() as redirected:
        redirected.enter_context(redirect_stdout(output))
        if not request.live:
            redirected.enter_context(redirect_stderr(errors))
        try:
            code = _OWN.get(request.arguments[0], _command)(request)
        except OrchError as error:
            print(error, file=sys.stderr)
            code = exit_code(error)
    print(Answer(code, output.getvalue(), errors.getvalue()).line(), flush=True)
    return code


def _name_this_ray(file: Path) -> None:
    """Put the address of the Ray that runs this job into the cluster file: a machine may have several, and `auto` is any."""
    if (address := os.environ.get("RAY_ADDRESS")) is not None and file.exists():
        file.write_text(json.dumps({**json.loads(file.read_text()), "address": address}))


def _pack(request: Request) -> int:
    _, results, token, number = _arguments(request)
    print(pack(Path(results), token, int(number)))
    return 0


def _looks(request: Request) -> int:
    from orchestrator.remote.looks import print_looks

    _, results = _arguments(request)
    print_looks(Path(results), lambda line: print(line, file=sys.stderr, flush=True))
    return 0


def _command(request: Request) -> int:
    from orchestrator.cli import run

    return run(_arguments(request))


_OWN: Final = {PACK: _pack, LOOKS: _looks}
"""What is asked for that is no command of a user's."""


def _arguments(request: Request) -> list[str]:
    arguments = [str(_at_home(text)) if text.startswith("~") else text for text in request.arguments]
    if RESULTS not in arguments:
        return arguments
    results = str(_results(_at_home(request.root), request.name))
    return [results if argument == RESULTS else argument for argument in arguments]


def _at_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path} begins with the home folder of a user of the head: {error}; write a full path"
        ) from None


def _results(root: Path, name: str | None) -> Path:
    if name is not None:
        return root / name
    found = sorted(path.parent.name for path in root.glob(f"*/{JOURNAL}"))
    if len(found) != 1:
        some = f"there are several sweeps in {root}: {', '.join(found)}; name one" if found else f"no sweep in {root}"
        raise UserError(some)
    return root / found[0]


if __name__ == "__main__":
    code = main(Path.cwd())
    sys.stderr.flush()
    os._exit(code)  # as `orch` itself leaves
