"""Clusters of features within what is answered alike, against another program and on planted ones."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from trainables.measurements._clusters import IN_EACH, MOST, SAMPLE, clusters, k_means, nearest
from trainables.measurements._neighbours import unit_length
from trainables.measurements._slices import slices


def clouds(
    seed: int, sizes: list[int], width: int = 16, spread: float = 0.15
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Points around directions that are far from each other, and which of them each is around."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(width, width)))[0][: len(sizes)]
    member = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return unit_length(centres[member] + spread * rng.normal(size=(len(member), width))), member


def inertia(points: NDArray[np.float32], centres: NDArray[np.float32]) -> float:
    return float(((points - centres[nearest(points, centres)]) ** 2).sum())


def test_centres_are_as_good_as_another_programs() -> None:
    points, member = clouds(0, [300, 200, 100, 50])
    found = k_means(points, 4, np.random.default_rng(0))
    theirs = KMeans(4, n_init=10, random_state=0).fit(points)
    assert inertia(points, found) <= 1.001 * theirs.inertia_
    codes = nearest(points, found)
    assert sorted(len(set(codes[member == one])) for one in range(4)) == [1, 1, 1, 1]


def test_the_same_seed_gives_the_same_clusters_and_equal_points_are_one() -> None:
    points, _ = clouds(1, [200, 200])
    cuts = [clusters(np.zeros(400, int), ("a",), lambda places: points[places], seed=3) for _ in range(2)]
    assert (cuts[0].codes == cuts[1].codes).all() and cuts[0].names == cuts[1].names
    alike = clusters(np.zeros(400, int), ("a",), lambda places: np.ones((len(places), 3)), seed=0)
    assert alike.names == ("answered a",) and (alike.codes == 0).all()


def test_each_answer_has_clusters_of_its_own_and_few_examples_are_one() -> None:
    points, _ = clouds(2, [500, 500])
    answers = np.where(np.arange(1_000) < 2 * IN_EACH - 1, 2, np.where(np.arange(1_000) < 400, 0, 1))
    of = clusters(answers, ("cat", "dog", "owl"), lambda places: points[places], seed=0)
    assert {of.names[code].partition(",")[0] for code in of.codes[answers == 1]} == {"answered dog"}
    assert [name for name in of.names if "owl" in name] == ["answered owl"]
    assert len([name for name in of.names if "dog" in name]) <= MOST
    assert sorted(set(of.codes.tolist())) == list(range(len(of.names))), "none is empty"


def test_features_are_asked_for_a_part_at_a_time() -> None:
    points, member = clouds(3, [4_000, 1_500])
    asked: list[int] = []

    def features(places: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(len(places))
        return points[places]

    of = clusters(np.zeros(5_500, int), ("a",), features, seed=0)
    assert max(asked) <= SAMPLE and len(of.names) == MOST
    rare = [set(member[of.codes == code].tolist()) for code in range(MOST)]
    assert {1} in rare and {0} in rare, "no cluster has both"


def test_a_part_of_an_answer_that_nobody_named_is_the_worst_cluster() -> None:
    points, member = clouds(4, [700, 150])
    rng = np.random.default_rng(5)
    correct = np.where(member == 1, rng.random(850) < 0.2, rng.random(850) < 0.97)
    of = clusters(np.zeros(850, int), ("a",), lambda places: points[places], seed=0)
    worst = min(slices(correct, {"clusters": of}), key=lambda one: one.accuracy)
    assert worst.p_corrected is not None and worst.p_corrected < 1e-9
    assert set(member[of.codes == of.names.index(worst.part)].tolist()) == {1}


def test_where_nothing_is_planted_clusters_are_found_worse_as_seldom_as_p_says() -> None:
    points, member = clouds(6, [300, 300, 300])
    of = clusters(member, ("a", "b", "c"), lambda places: points[places], seed=0)
    rng = np.random.default_rng(7)
    least = [
        min(one.p_corrected for one in slices(rng.random(900) < 0.8, {"clusters": of}) if one.p_corrected is not None)
        for _ in range(300)
    ]
    assert np.mean(np.array(least) < 0.05) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("count", [1, 2, 5])
def test_there_are_so_many_centres_even_of_equal_points(count: int) -> None:
    assert k_means(np.ones((5, 2), np.float32), count, np.random.default_rng(0)).shape == (count, 2)
