"""How often `orch monitor` alarms without shift, how soon with one, how near its estimate of accuracy comes, and what it
makes of pictures that are not independent: `python benchmarks/monitored.py RESULTS TRIAL`, with ORCH_DATA as for the sweep.
"""

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.plan.prepare import data_location
from orchestrator.results.trial_net import data_of, find_trial_with_net, open_net
from orchestrator.store.reading import results_at
from trainables.data.shifts.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from trainables.monitoring.judge import Run, judged
from trainables.monitoring.reference import Reference
from trainables.monitoring.row import MonitorRow
from trainables.monitoring.window import NO_LABEL, Said, Window, said_of
from trainables.spec import derived_seed
from trainables.stages.measured_net import as_pixels
from trainables.stages.trial_net import TrialNet

CLEAN: Final = 1_000
"""Windows without shift."""
SHIFTED: Final = 100
"""Windows of each shift."""
SOON: Final = 200
"""Pictures within which a shift should be found."""
PICTURES: Final = 2_000
"""That are shifted."""
RUN: Final = Run(datetime.now(UTC), "-")
Places = NDArray[np.int64]


def window_of(said: Said, labels: NDArray[np.int64] | None, places: Places) -> Window:
    """Pictures as if they had come so; labels: where they come."""
    none = np.full(len(places), NO_LABEL, np.int64)
    part = Said(said.probabilities[places], said.features[places])
    known = none if labels is None else labels[places]
    return Window(part, known, 1, len(places), "", "", 0, len(set(places.tolist())), b"", 0, 0)


def rows_of(said: Said, windows: Iterator[Places], reference: Reference) -> list[MonitorRow]:
    return [
        row
        for number, one in enumerate(windows, 1)
        for row in judged(window_of(said, None, one), number, reference, RUN)
    ]


def drawn(count: int, size: int, many: int, seed: int = 0) -> Iterator[Places]:
    """Windows of different pictures."""
    rng = np.random.default_rng(seed)
    return (rng.choice(count, size, replace=False) for _ in range(many))


def repeated(count: int, size: int, many: int, times: int) -> Iterator[Places]:
    """Windows of which each picture stays for so many frames: what a camera sees that looks at one thing after another."""
    return (np.repeat(one, times)[:size] for one in drawn(count, -(-size // times), many, seed=times))


def share(values: list[bool]) -> str:
    return f"{np.mean(values):.3f}" if values else "-"


def without_shift(reference: Callable[[str, int], Reference], said: Said) -> None:
    print("\n| detector | window | false alarms | windows |\n| --- | --- | --- | --- |")
    for detector, many in (("bbsd", CLEAN), ("confidence", CLEAN), ("mmd", CLEAN)):
        for size in (50, 200):
            if size <= len(said.probabilities) // 2:
                rows = rows_of(said, drawn(len(said.probabilities), size, many), reference(detector, size))
                print(f"| {detector} | {size} | {share([row.alarm for row in rows])} | {many} |", flush=True)


def of_frames(reference: Reference, said: Said) -> None:
    print("\n| frames of each picture | autocorrelation | false alarms |\n| --- | --- | --- |")
    for times in (1, 2, 5, 10, 20):
        rows = rows_of(said, repeated(len(said.probabilities), reference.size, 300, times), reference)
        lag_1 = np.mean([row.autocorrelation for row in rows])
        print(f"| {times} | {lag_1:.2f} | {share([row.alarm for row in rows])} |", flush=True)


def thresholded(reference: Said, right: NDArray[np.bool_]) -> Callable[[Said], float]:
    """Average thresholded confidence (Garg et al. 2022, arXiv:2201.04234), to compare with."""
    sure = np.sort(reference.probabilities.max(axis=1))
    threshold = sure[min(len(sure) - 1, int((~right).sum()))]
    return lambda said: float((said.probabilities.max(axis=1) >= threshold).mean())


def under_shift(
    net: TrialNet, reference: Reference, atc: Callable[[Said], float], images: NDArray[np.uint8], labels: Places
) -> list[Said]:
    """Return what it says under those that cost 5 points or more."""
    print("\n| shift | severity | accuracy | estimated | ATC | alarms | told harmless |\n| " + "--- | " * 7)
    whole, costly = reference.estimate.accuracy, list[Said]()
    found: list[tuple[str, int, float, list[MonitorRow], float, float]] = []
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            said = said_of(net, corrupted(images, name, severity, np.arange(len(images))))
            accuracy = float((said.probabilities.argmax(axis=1) == labels).mean())
            if whole - accuracy >= 0.05:
                costly.append(said)
            rows = rows_of(said, drawn(len(images), reference.size, SHIFTED, severity), reference)
            alarms = [row for row in rows if row.alarm]
            found.append((name, severity, accuracy, rows, reference.estimate.estimate(said.probabilities), atc(said)))
            told = share([bool(row.harmless) for row in alarms])
            print(
                f"| {name} | {severity} | {accuracy:.3f} | {found[-1][4]:.3f} | {found[-1][5]:.3f}"
                f" | {len(alarms) / len(rows):.2f} | {told} |",
                flush=True,
            )
    for title, chosen in (
        ("cost 5 points or more", [one for one in found if whole - one[2] >= 0.05]),
        ("cost 5 to 10 points", [one for one in found if 0.05 <= whole - one[2] < 0.10]),
        ("cost a point at most", [one for one in found if whole - one[2] <= 0.01]),
    ):
        rows = [row for one in chosen for row in one[3]]
        alarms = [row for row in rows if row.alarm]
        least = min((np.mean([row.alarm for row in one[3]]) for one in chosen), default=np.nan)
        print(
            f"{len(chosen)} shifts that {title}: alarms {share([row.alarm for row in rows])} of windows (least {least:.2f}),"
            f" of them harmless {share([bool(row.harmless) for row in alarms])}"
        )
    for title, estimates in (
        ("difference of confidences", [one[4] for one in found]),
        ("average thresholded confidence", [one[5] for one in found]),
    ):
        errors = np.array(estimates) - np.array([one[2] for one in found])
        print(
            f"{title}: error {np.abs(errors).mean():.3f} on average, median {np.median(np.abs(errors)):.3f}, largest"
            f" {np.abs(errors).max():.2f}, bias {errors.mean():+.3f}"
        )
    return costly


def soon(detects: Reference, clean: Said, shifted: list[Said]) -> None:
    """Streams in which a shift begins anywhere within a window: is it found within 200 pictures?"""
    rng, size = np.random.default_rng(1), detects.size
    found: list[list[bool]] = []
    for said in shifted:
        both = Said(*(np.concatenate(pair) for pair in _pairs(clean, said)))
        found.append([])
        for _ in range(SHIFTED // 2):
            before = int(rng.integers(size))
            old = rng.choice(len(clean.probabilities), before, replace=False)
            new = len(clean.probabilities) + rng.choice(len(said.probabilities), SOON, replace=False)
            stream = np.concatenate([old, new])
            windows = (stream[start : start + size] for start in range(0, len(stream) - size + 1, size))
            found[-1].append(any(row.alarm for row in rows_of(both, windows, detects)))
    streams = [one for each in found for one in each]
    least = min((np.mean(each) for each in found), default=np.nan)
    print(
        f"windows of {size}, shifts that cost 5 points or more, from anywhere in a window: found within {SOON} pictures in"
        f" {share(streams)} of {len(streams)} streams (least {least:.2f})"
    )


def _pairs(one: Said, other: Said) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    yield one.probabilities, other.probabilities
    yield one.features, other.features


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("trial")
    parser.add_argument("--window", type=int, default=200)
    options = parser.parse_args()
    found = find_trial_with_net(results_at(options.results), options.trial)
    location = data_location(None, None)
    net, data = open_net(found, location), data_of(found, location)
    seed = derived_seed("monitor", found.kept.spec.seed)

    def reference(detector: str, size: int) -> Reference:
        return Reference.of(net, data, [detector], size, 0.05, seed)

    tested = data.batches.examples(data.split.test)
    images, labels = as_pixels(tested.inputs), tested.targets.astype(np.int64)
    said, usual = said_of(net, images), reference("bbsd", options.window)
    validated = data.batches.examples(data.split.val)
    kept = said_of(net, as_pixels(validated.inputs))
    right = kept.probabilities.argmax(axis=1) == validated.targets
    accuracy = float((said.probabilities.argmax(axis=1) == labels).mean())
    print(
        f"{found.kept.label}: {usual.n:,} validated ({usual.estimate.accuracy:.4f}), {len(images):,} tested ({accuracy:.4f})"
    )
    without_shift(reference, said)
    of_frames(usual, said)
    some = np.random.default_rng(0).permutation(len(images))[:PICTURES]
    costly = under_shift(net, usual, thresholded(kept, right), images[some], labels[some])
    for size in (50, 100):
        soon(reference("bbsd", size), said, costly)


if __name__ == "__main__":
    main()
