"""The driver knows of the same GPUs as torch."""

import torch

from clusters.nodes import gpu_names, local_size
from clusters.spec import ClusterSpec


def test_the_gpus_are_those_that_torch_finds() -> None:
    expected = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    assert gpu_names() == expected
    assert local_size(ClusterSpec())[1] == len(expected)
