"""A Ray of a peer's own: as many slots as ours has, started and ended the same way as ours."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters.environment import prepare_environment
from clusters.spec import ClusterSpec


@contextmanager
def local_ray() -> Iterator[Path]:
    """Ray on two CPUs; yields a folder for what the peer writes."""
    prepare_environment(ClusterSpec())
    import ray

    folder = Path(tempfile.mkdtemp(prefix="peer-", dir="/tmp"))  # socket paths have 107 bytes
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=200 * 2**20,
        _temp_dir=str(folder / "ray"),
    )
    try:
        yield folder
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
