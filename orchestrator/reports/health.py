"""Whether this machine can run a sweep: each check says what it found and, where that is bad, the fix."""

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

import psutil
from packaging.requirements import Requirement

from clusters.errors import NoTemporaryFolder
from clusters.node_state import unwritable
from clusters.temporary import temporary_folder
from orchestrator.reports.cluster_health import check_cluster
from orchestrator.reports.finding import Finding
from orchestrator.reports.wandb_process import has_key, open_key_files
from orchestrator.reports.wandb_wish import wish
from trainables.errors import DataMissing
from trainables.own_place import cache_folder

_SHARED_MEMORY: Final = 256 * 2**20
_MEMORY: Final = 2 * 2**30
_DISK: Final = 2 * 2**30
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "fuse.sshfs", "9p"}
)


def examine(cluster: Path | None, data: Path | None, results: Path, *, start_ray: bool) -> Iterator[Finding]:
    """All checks, the fast ones first. Starts Ray or joins the cluster's where asked to."""
    yield from check_packages()
    yield check_torch()
    yield from check_machine(results)
    yield from check_cache()
    yield from check_plugins()
    yield from check_data(data)
    yield check_wandb()
    yield from check_cluster(cluster, start_ray=start_ray)


def check_cache() -> Iterator[Finding]:
    """Whether decoded data can be kept. Nothing is said where it can."""
    try:
        folder = cache_folder()
        trouble = unwritable(str(folder))
    except DataMissing as homeless:
        folder, trouble = None, str(homeless)
    if trouble:
        where = "" if folder is None else f"nothing can be kept in {folder}: "
        yield Finding("cache", "problem", f"{where}{trouble}", "set ORCH_CACHE to a folder that you can write to")


def check_packages(distribution: str = "orch-grid") -> Iterator[Finding]:
    """Installed versions against the floors that the distribution declares."""
    try:
        wanted = [Requirement(text) for text in requires(distribution) or ()]
    except PackageNotFoundError:
        yield Finding("packages", "note", f"{distribution} itself is not installed", "pip install -e .")
        return
    bad = [finding for requirement in wanted if (finding := _package(requirement)) is not None]
    yield from bad
    if not bad:
        yield Finding("packages", "ok", f"{distribution} {version(distribution)} and {len(wanted)} others as required")


def _package(requirement: Requirement) -> Finding | None:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "problem", "not installed", f"pip install '{requirement}'")
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return Finding(
        requirement.name, "problem", f"{found}, needed is {requirement.specifier}", f"pip install '{requirement}'"
    )


def check_torch() -> Finding:
    """torch, and the GPUs that it can use."""
    try:
        import torch
        import torchvision  # noqa: F401 - two builds that do not fit each other fail here
    except (ImportError, RuntimeError, OSError) as error:
        return Finding(
            "torch", "problem", f"cannot be imported: {error}", "pip install --force-reinstall torch torchvision"
        )
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("torch", "ok", f"{torch.__version__}, CUDA {torch.version.cuda}: {', '.join(names)}")
    if shutil.which("nvidia-smi"):
        fix = "install a torch build that fits the driver (pytorch.org), and check CUDA_VISIBLE_DEVICES"
        return Finding(
            "torch", "note", f"{torch.__version__} sees no GPU, though this machine has NVIDIA's driver", fix
        )
    return Finding("torch", "ok", f"{torch.__version__}, no GPU: trials run on CPUs")


def check_machine(results: Path) -> Iterator[Finding]:
    """Processors, memory, shared memory, and the disk that results go to."""
    yield Finding("processors", "ok", f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}")
    memory = psutil.virtual_memory()
    yield _enough(
        "memory", memory.available, _MEMORY, "free", "end other programs, or set fewer `cpus` in the cluster file"
    )
    shared = Path("/dev/shm")  # noqa: S108 - the kernel's shared memory itself # nosec B108
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        yield _enough(str(shared), free, _SHARED_MEMORY, "free", "in a container: docker run --shm-size=1g")
    folder = _existing(results)
    if not os.access(folder, os.W_OK):
        yield Finding("results", "problem", f"{folder} cannot be written to", "use --results with a folder of your own")
    yield _enough("disk", shutil.disk_usage(folder).free, _DISK, f"free at {folder}", "make room, or use --results")
    kind = _file_system(folder)
    if kind in _NETWORK_FILE_SYSTEMS:
        fix = "nothing has to be done; a local --results is safer against a power cut between two exports"
        found = f"{folder} is on a network file system ({kind}): the journal is kept on local disk and copied"
        yield Finding("file system", "note", found, fix)


def _enough(about: str, found: int, least: int, words: str, fix: str) -> Finding:
    text = f"{found / 2**30:.1f} GiB {words}"
    return Finding(about, "ok", text) if found >= least else Finding(about, "note", text, fix)


def check_plugins() -> Iterator[Finding]:
    """Every component, built in or from a plug-in, can be imported."""
    from trainables.errors import BrokenComponent
    from trainables.registry import KINDS, registry

    working = 0
    for kind in KINDS:
        for name in registry.names(kind):
            try:
                registry.get(kind, name)
                working += 1
            except (BrokenComponent, ImportError) as error:
                fix = "repair the plug-in, or uninstall the package that provides it"
                yield Finding(f"{kind} {name}", "problem", f"cannot be used: {error}", fix)
    yield Finding("components", "ok", f"{working} can be used; `orch list` shows them")


def check_wandb() -> Finding:
    """Whether there is a key, and who can read it; never the key."""
    if others := open_key_files():
        return Finding("W&B", "note", *others[0].split("; ", 1))
    if (against := wish()) is not None:
        return Finding("W&B", "note", against.told, "take it away where sweeps are to send")
    if has_key():
        return Finding("W&B", "ok", "a key is there: runs are sent online (wandb: {mode: auto})")
    return Finding("W&B", "note", "no key: runs are written offline", "wandb login, or set WANDB_API_KEY")


def check_data(data: Path | None) -> Iterator[Finding]:
    """The data folder, and which of the known sets lie in it."""
    if data is None:
        fix = "set ORCH_DATA or use --data, unless your grid names folders of its own"
        yield Finding("data", "note", "no data folder is given; `digits` needs none", fix)
        return
    if not data.is_dir():
        yield Finding("data", "problem", f"{data} is not a folder", "make it, or correct --data or ORCH_DATA")
        return
    yield from _known_sets(data)


def _known_sets(data: Path) -> Iterator[Finding]:
    """The data sets that need no parameter: they are looked for under names of their own."""
    from trainables.dataset import DataPlace, Dataset
    from trainables.errors import BrokenComponent, DataError
    from trainables.registry import registry

    try:
        cache = temporary_folder("orch-cache-")
    except NoTemporaryFolder as error:
        yield Finding("temporary files", "problem", error.found, error.fix)
        return
    try:
        place = DataPlace(data=data, beside=None, cache=cache)
        for name in registry.names("dataset"):
            try:
                component = registry.get("dataset", name)
                if not issubclass(component, Dataset) or any(f.is_required() for f in component.model_fields.values()):
                    continue
                info = component().described(place)
            except BrokenComponent:
                continue  # check_plugins has told of it
            except DataError as error:
                yield Finding(f"data: {name}", "note", "not there", str(error))
            else:
                yield Finding(f"data: {name}", "ok", f"{len(info.classes)} classes of shape {info.shape}")
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _existing(path: Path) -> Path:
    """The path, or the folder in which it would be made."""
    path = path.resolve()
    return path if path.is_dir() else next(parent for parent in path.parents if parent.is_dir())


def _file_system(folder: Path) -> str:
    """Type of the mount that holds the folder."""
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
