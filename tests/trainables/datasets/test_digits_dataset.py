"""The embedded digits."""

import numpy as np
from sklearn.datasets import load_digits

from trainables.data.content import digest_of_arrays
from trainables.dataset import DataLocation
from trainables.datasets.digits import Digits


def test_the_digits_are_scikit_learns_in_the_full_range_of_bytes(place: DataLocation) -> None:
    examples, published = Digits().load(place), load_digits()
    assert examples.inputs.dtype == np.uint8
    assert (examples.inputs.min(), examples.inputs.max()) == (0, 255)
    np.testing.assert_array_equal(np.round(examples.inputs[:, 0] * (16 / 255)), published.images)
    np.testing.assert_array_equal(examples.targets, published.target)
    assert examples.targets.dtype == np.int64
    assert not examples.official_test.any()


def test_what_the_digits_say_of_themselves_is_what_they_hold(place: DataLocation) -> None:
    info, examples = Digits().info(place), Digits().load(place)
    assert (len(examples), *info.shape) == examples.inputs.shape == (1797, 1, 8, 8)
    assert info.classes == tuple("0123456789")
    assert Digits().fingerprint(place) == digest_of_arrays([examples.inputs, examples.targets])
