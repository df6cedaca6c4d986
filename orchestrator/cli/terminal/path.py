"""How every command takes a path."""

import os
from typing import Any, Final

import click

from orchestrator.store.local_path import local_path


class LocalPath(click.Path):
    """A file or folder of this machine. An address is refused with exit code 2."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = local_path(value)
        super().convert(path, param, ctx)
        return path


PATH: Final = LocalPath()
FILE: Final = LocalPath(dir_okay=False)
