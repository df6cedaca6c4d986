"""Imports libraries, and forks for each line of its input: `python fork_server.py`, for `tests/forks.py`.

The fork falls through to the end of this file and runs what it was asked for there, so that it ends as any Python does.
"""

import json
import os
import runpy
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    *("torch", "torch._dynamo", "torch.utils.flop_counter", "safetensors.torch", "numpy", "pandas", "pyarrow.parquet"),
    *(
        "sklearn.datasets",
        "scipy.stats",
        "pydantic",
        "click",
        "rich.live",
        "ruamel.yaml",
        "filelock",
        "psutil",
        "jinja2",
    ),
)
"""Third parties' alone: our own modules depend on the environment and on what plug-ins are installed."""


def serve() -> dict[str, Any]:
    """Only a fork returns, with what it was asked for."""
    answers = os.fdopen(os.dup(1), "w")
    del sys.path[0]  # the folder of this file, in which nobody else looks for modules
    os.dup2(2, 1)  # whatever a library prints is no answer
    for name in LIBRARIES:
        import_module(name)
    while line := os.read(0, 1 << 20):
        while not line.endswith(b"\n"):
            line += os.read(0, 1 << 20)
        if waiter := os.fork():
            os.waitpid(waiter, 0)
            continue
        asked: dict[str, Any] = json.loads(line)
        if os.fork():
            os._exit(0)  # whoever waits for the process is nobody's child
        if process := os.fork():
            print(process, file=answers, flush=True)
            _, status = os.waitpid(process, 0)
            kept = Path(asked["kept"])
            with suppress(FileNotFoundError):  # nobody asks any more
                (kept / "new").write_text(str(status))
                (kept / "new").rename(kept / "status")
            os._exit(0)
        answers.close()
        return asked
    os._exit(0)


def become(asked: dict[str, Any]) -> None:
    """The process that `exec` would have made."""
    os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None
    os.chdir(asked["folder"])
    plain = (os.devnull, f"{asked['kept']}/output", f"{asked['kept']}/errors")
    for number, name in enumerate((asked["terminal"],) * 3 if asked["terminal"] else plain):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOCTTY, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, 1 if os.isatty(number) else -1, errors=errors, closefd=False)
        for number, mode, errors in ((0, "r", None), (1, "w", None), (2, "w", "backslashreplace"))
    )
    sys.stderr.reconfigure(line_buffering=True)
    paths = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [path for path in paths.split(os.pathsep) if path]


def run(arguments: list[str]) -> None:
    """As `python ARGUMENTS` does: `-m MODULE`, `-c CODE` or a file."""
    match arguments:
        case ["-m", module, *_]:
            sys.argv, sys.path[:0] = arguments[1:], [str(Path.cwd())]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *_]:
            sys.argv, sys.path[:0] = ["-c", *arguments[2:]], [""]
            sys.modules["__main__"] = main = ModuleType("__main__")
            exec(code, main.__dict__)
        case [file, *_]:
            sys.argv, sys.path[:0] = arguments, [str(Path(file).resolve().parent)]
            runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    asked = serve()
    become(asked)
    run(asked["arguments"])
