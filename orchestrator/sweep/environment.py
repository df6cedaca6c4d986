"""What a sweep runs on and with: the row that the `environments` table keeps of each invocation."""

import json
import os
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from secrets import token_hex

import psutil

from clusters.nodes import gpu_names
from clusters.spec import ClusterSpec
from orchestrator.grid.looks import LookPlan
from orchestrator.text import masked
from results_schema import VERSION, EnvironmentRow

PACKAGES = ("torch", "torchvision", "ray", "numpy", "pyarrow", "pydantic", "wandb")


def observe(cluster: ClusterSpec, grid: str, looks: LookPlan | None) -> EnvironmentRow:
    """The environment as it is now. looks: when claims are looked at, where seeds are added until they are decided."""
    commit = _git("rev-parse", "HEAD")
    return EnvironmentRow(
        environment_id=token_hex(6),
        started_at=datetime.now(UTC),
        command=masked(_command()),
        orch_version=metadata.version("orch-grid"),
        results_version=VERSION,
        python=platform.python_version(),
        packages=json.dumps({name: _version(name) for name in PACKAGES}),
        platform=platform.platform(),
        host=socket.gethostname(),
        cpu=_cpu(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        gpus=json.dumps(gpu_names()),
        git_commit=commit,
        git_dirty=None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no")),
        cluster=masked(cluster.model_dump_json()),
        grid=masked(grid),
        looks=None if looks is None else str(looks),
    )


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    """The processor's model; Linux keeps it in a file, elsewhere the standard library knows some of it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    """Return what git says of the working folder; None where there is no git or no checkout."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603, S607 - the user's own git # nosec B607
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
