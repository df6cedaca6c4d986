"""The code that travels to a cluster: packages of this installation, and those that joined as plug-ins. Imports no ray.

It is laid out as an installation is: packages beside the metadata that names their entry points, so that a plug-in is
found there as it is here. Hidden files stay behind, where people keep their secrets, and so do compiled ones.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from clusters.errors import ClusterError

MAX_BYTES: Final = 50 * 2**20
"""More is no code."""


@dataclass(frozen=True, slots=True)
class Code:
    """What travels."""

    distribution: str
    packages: tuple[str, ...]
    """Of that distribution."""
    groups: tuple[str, ...]
    """Entry-point groups whose providers travel along."""


def lay_out(code: Code, folder: Path) -> None:
    """Copy it into an empty folder. Raises ClusterError where something cannot be found or is too large."""
    _describe(distribution(code.distribution), folder)
    for package in code.packages:
        _copy(package, folder)
    done = set(code.packages)
    for owner, package in _plugins(code.groups):
        if owner.name != code.distribution:
            _describe(owner, folder)
        if package not in done:
            done.add(package)
            _copy(package, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > MAX_BYTES:
        largest = max(done, key=lambda name: _size(folder / name))
        raise ClusterError(
            f"{size / 2**20:.0f} MiB of code would be sent to the cluster, more than {MAX_BYTES // 2**20}; the package"
            f" {largest} has {_size(folder / largest) / 2**20:.0f} of them: keep data out of it, or install it on each"
            " node and say `code: installed`"
        )


def _plugins(groups: Iterable[str]) -> Iterator[tuple[Distribution, str]]:
    for group in groups:
        for entry in entry_points(group=group):
            if entry.dist is not None:
                yield entry.dist, entry.module.partition(".")[0]


def _copy(package: str, folder: Path) -> None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ClusterError(f"the package {package} cannot be found, so it cannot be sent to the cluster")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        shutil.copyfile(origin, folder / origin.name)
    else:
        shutil.copytree(origin.parent, folder / package, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.pyc"))


def _describe(owner: Distribution, folder: Path) -> None:
    """The part of its metadata that names its version, its requirements and its entry points."""
    metadata = folder / f"{owner.name.replace('-', '_')}-{owner.version}.dist-info"
    metadata.mkdir(exist_ok=True)
    minimal = f"Metadata-Version: 2.1\nName: {owner.name}\nVersion: {owner.version}\n"
    (metadata / "METADATA").write_text(owner.read_text("METADATA") or minimal)
    (metadata / "entry_points.txt").write_text(owner.read_text("entry_points.txt") or "")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
