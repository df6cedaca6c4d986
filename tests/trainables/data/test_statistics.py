"""Channel statistics: exact, of the training examples alone, and usable where a channel never changes."""

import numpy as np
import pytest

from trainables.data.statistics import channel_statistics


@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 8, 8), (4, 3, 6, 5)])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_agrees_with_numpy(shape: tuple[int, ...], kind: str) -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (50, *shape), dtype=np.uint8)
    inputs[..., 0, :, :] //= 3  # channels that differ
    if kind == "float32":
        inputs = (inputs / 255).astype(np.float32)
    indices = np.array([3, 1, 40, 41, 7])
    unit = inputs[indices].astype(np.float64) / (255 if kind == "uint8" else 1)
    axes = tuple(axis for axis in range(unit.ndim) if axis != unit.ndim - 3)
    found = channel_statistics(inputs, indices)
    assert found.mean.dtype == found.std.dtype == np.float32
    np.testing.assert_allclose(found.mean, unit.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(found.std, unit.std(axes), rtol=1e-6)


def test_does_not_depend_on_how_it_is_read_in_parts() -> None:
    inputs = np.random.default_rng(1).integers(0, 256, (70, 3, 200, 200), dtype=np.uint8)  # 8 MB: three parts
    found = channel_statistics(inputs, np.arange(70))
    np.testing.assert_allclose(found.mean, inputs.mean((0, 2, 3)) / 255, rtol=1e-6)
    np.testing.assert_allclose(found.std, inputs.std((0, 2, 3)) / 255, rtol=1e-6)


@pytest.mark.parametrize("scale", [1, 255])
def test_a_constant_channel_does_not_divide_by_zero(scale: int) -> None:
    inputs = np.full((4, 1, 2, 2), scale, dtype=np.uint8 if scale == 255 else np.float32)
    found = channel_statistics(inputs, np.arange(4))
    assert found.mean.tolist() == [1.0]
    assert found.std.tolist() == [np.float32(1 / 255)]


def test_only_the_given_examples_count() -> None:
    inputs = np.zeros((10, 1, 2, 2), dtype=np.uint8)
    inputs[5:] = 255
    assert channel_statistics(inputs, np.arange(5)).mean.tolist() == [0.0]


def test_agrees_with_what_is_published_of_mnist(mnist_training_inputs: np.ndarray) -> None:
    found = channel_statistics(mnist_training_inputs, np.arange(60_000))
    assert found.mean.tolist() == pytest.approx([0.1307], abs=5e-5)
    assert found.std.tolist() == pytest.approx([0.3081], abs=5e-5)


@pytest.fixture
def mnist_training_inputs() -> np.ndarray:
    import gzip
    import os
    from pathlib import Path

    path = Path(os.environ.get("ORCH_DATA", "nowhere")) / "mnist" / "train-images-idx3-ubyte.gz"
    if not path.is_file():
        pytest.skip("ORCH_DATA has no MNIST")
    return np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=16).reshape(60_000, 1, 28, 28)
