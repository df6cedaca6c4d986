"""Distance to the training split, against another program."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from trainables.measurements._neighbours import distance_to_training, unit_length


@pytest.mark.parametrize("nearest", [1, 10])
def test_the_so_manieth_nearest_training_example_is_that_of_another_program(nearest: int) -> None:
    rng = np.random.default_rng(0)
    training = (100 + rng.normal(size=(700, 8))).astype(np.float32)  # far from 0, where the product rounds
    examples = (100 + rng.normal(size=(1_100, 8))).astype(np.float32)
    examples[3] = training[5]
    found = distance_to_training(examples, training, nearest)
    another = NearestNeighbors(n_neighbors=nearest, algorithm="kd_tree").fit(training)
    np.testing.assert_allclose(found, another.kneighbors(examples)[0][:, -1], rtol=1e-5)
    assert (found[3] == 0) == (nearest == 1)


def test_of_features_of_unit_length_it_is_exact_too() -> None:
    rng = np.random.default_rng(1)
    training, examples = (unit_length(rng.normal(size=(n, 64))) for n in (2_000, 300))
    found = distance_to_training(examples, training, 10)
    whole = np.linalg.norm(examples.astype(float)[:, None] - training.astype(float), axis=2)
    np.testing.assert_allclose(found, np.sort(whole, axis=1)[:, 9], rtol=1e-5)


def test_fewer_training_examples_give_the_farthest_and_none_are_refused() -> None:
    training = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert distance_to_training(np.zeros((1, 2)), training, 10).tolist() == [5.0]
    with pytest.raises(ValueError, match="no training example"):
        distance_to_training(np.zeros((1, 2)), training[:0])


def test_features_of_length_zero_stay() -> None:
    assert unit_length(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0, 0], [np.float32(0.6), np.float32(0.8)]]
