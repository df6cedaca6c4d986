"""The files of a results directory: whoever wrote there, what is read is a regular file, and what is no file is damage."""

import getpass
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ELOOP
from hashlib import blake2b, file_digest
from io import BufferedReader
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import Final

from orchestrator.errors import DamagedResults, InfrastructureLost, OrchError, UserError
from trainables.data.files import being_written, is_hole, open_regular

# What a user is told who may not do something to files that belong to another.


def not_permitted(path: Path, error: PermissionError) -> UserError:
    """Of a file or a folder that may not be read."""
    owner = _owner(Path(error.filename) if isinstance(error.filename, str) else path)
    return UserError(
        f"{user_name()} may not read {error.filename or path}{owner}: ask for `chmod -R g+rX` (or a+rX) on the directory,"
        " or work on a copy"
    )


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"user {os.getuid()}"


def _owner(path: Path) -> str:
    """Of the nearest folder that may be looked at."""
    for place in (path, *path.absolute().parents):
        try:
            number = place.stat().st_uid
        except OSError:
            continue
        try:
            return f", which belongs to {pwd.getpwuid(number).pw_name}"
        except KeyError:
            return f", which belongs to user {number}"
    return ""


_CHUNK: Final = 1 << 20


def copy_durably(source: Path, target: Path) -> None:
    """Put the content of another file in place, as `replace_whole` does. Raises as `reading` does, and OSError."""
    with reading(source) as content, being_written(target) as file:
        copyfileobj(content, file, _CHUNK)


def make_own(path: Path) -> None:
    """Of a file that is written in place: let it have no second name, under which it is another's too. Raises OSError."""
    with suppress(FileNotFoundError):
        if path.lstat().st_nlink > 1:
            copy_durably(path, path)


def content_of(path: Path) -> bytes:
    """Raises as `reading` does."""
    with reading(path) as file:
        return file.read()


def digest_of(path: Path) -> str:
    """32 hex digits of a file's content. Raises as `reading` does."""
    with reading(path) as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """A file of a results directory. Raises FileNotFoundError, DamagedResults where something else than a file is there,
    UserError where it may not be read, InfrastructureLost where it cannot be.
    """
    try:
        with open_regular(path) as file:
            _refuse_hole(path, os.fstat(file.fileno()))
            yield file
    except OSError as error:
        if error.errno is None:  # pyarrow's word on what the file says, which is its reader's to judge
            raise
        raise _meaning(error, path) from error


def refuse_other_than_file(path: Path, *, followed: bool = True) -> None:
    """For those who open a file by its name. followed: a link to a file is as good; else it is damage. Raises DamagedResults
    where something lies there that is none.
    """
    if (what := irregularity(path, followed=followed)) is not None:
        raise damaged(path, what)


def irregularity(path: Path, *, followed: bool = False) -> str | None:
    """Say what lies in place of a file; None for a regular file, and where nothing lies. Raises OSError (permissions).

    followed: a link is what it leads to.
    """
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) and followed:
            status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "it is a link that leads nowhere" if path.is_symlink() else None
    except OSError as error:
        if path.is_symlink():
            return f"it is a link that leads nowhere ({error.strerror})"
        if error.errno == ELOOP:  # a folder above it is a link to itself: in that nothing lies
            return None
        raise
    if stat.S_ISREG(status.st_mode):
        return "it is nearly all a hole" if is_hole(status) else None
    return f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no regular file')}"


def damaged(path: Path, what: str, results: Path | None = None) -> DamagedResults:
    """What a user is told of a file. results: the directory to be repaired, where it is known."""
    command = "`orch repair` of its results directory" if results is None else f"`orch repair {results}`"
    return DamagedResults(f"{path} is damaged: {what}; {command} repairs what can be repaired")


_KINDS: Final = {
    stat.S_IFLNK: "a link, and orch writes none",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _meaning(error: OSError, path: Path) -> OrchError | OSError:
    if isinstance(error, PermissionError):
        return not_permitted(path, error)
    if (what := irregularity(path, followed=True)) is not None:
        return damaged(path, what)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileNotFoundError(*error.args)
    return InfrastructureLost(f"cannot read {path}: {error.strerror}; check the disk, and run the same command again")


def _refuse_hole(path: Path, status: os.stat_result) -> None:
    if is_hole(status):
        raise damaged(path, "it is nearly all a hole")


# Names of files that were read out of a file, or came from another machine: what they may lead to.


def own_folder(path: Path) -> Path:
    """A folder that is made where it is missing, and no link. Raises UserError where it cannot be."""
    try:
        if path.is_symlink():
            raise UserError(f"{path} is a link, and orch writes through none; move it away, or name another place")
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; name another place") from error
    return path


def leads_out(name: object) -> str | None:
    """Why this is no name of a file below a folder; None where it is one. Nothing is looked at on the disk."""
    if not isinstance(name, str) or not name or not name.isprintable():
        return "it is not a name"
    if _unencodable(name):
        return "no file can have that name"
    if name.startswith("/"):
        return "it is absolute"
    parts = name.split("/")
    if ".." in parts:
        return "it leads upwards"
    return "it is not a plain path" if PurePosixPath(name).parts != tuple(parts) else None


def is_plain(name: object) -> bool:
    """Whether this is the name of one file or folder, which is not hidden."""
    return isinstance(name, str) and leads_out(name) is None and "/" not in name and not name.startswith(".")


def link_on_the_way(root: Path, name: str) -> Path | None:
    """The first of the folders between `root` and the file of this name that is a link, or is no folder."""
    for folder in reversed((root / name).relative_to(root).parents[:-1]):
        place = root / folder
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return place
    return None


def _unencodable(name: str) -> bool:
    try:
        return any(len(part) > 255 for part in os.fsencode(name).split(b"/"))
    except UnicodeEncodeError:
        return True
