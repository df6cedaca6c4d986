"""What the page says of measurements: of each cell the figures that one by one its rows give."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.report.measured import Section, sections
from orchestrator.report.page_data import Field
from orchestrator.store.frames import TablesRead
from results_schema import ATTACKS, CORRUPTIONS, DRIFT, EXPLANATIONS, GROUPS, Table


class Found(TablesRead):
    """Tables that no directory holds."""

    def __init__(self, found: dict[str, list[dict[str, Any]]]) -> None:
        self.found = found

    def every_trial(self, columns: list[str], where: Any = ()) -> pd.DataFrame:
        return pd.DataFrame(columns=columns)

    def wanted(self, table: Table, columns: list[str], where: Any = ()) -> pd.DataFrame:
        return pd.DataFrame(self.found.get(table.name, []), columns=columns)


def trials(cells: dict[str, list[int]]) -> pd.DataFrame:
    """cells: model to seeds; data set and model are `DATA MODEL`."""
    alike = {"optimizer": "sgd", "regularizer": "none", "deployment": "none", "status": "completed"}
    return pd.DataFrame(
        [
            {"trial_id": f"{cell}:{seed}", "seed": seed, "dataset": cell.split()[0], "model": cell.split()[1], **alike}
            for cell, seeds in cells.items()
            for seed in seeds
        ]
    )


def section(table: Table, rows: list[dict[str, Any]], cells: dict[str, list[int]]) -> Section:
    (made,) = sections(Found({table.name: rows}), trials(cells))
    return made


def as_dicts(made: Section) -> list[dict[str, Field]]:
    return [dict(zip([column.title for column in made.table.columns], row, strict=True)) for row in made.table.rows]


def corrupted(cell: str, errors: dict[tuple[str, int], tuple[float, ...]]) -> list[dict[str, Any]]:
    """errors: of each seed, by corruption and severity."""
    return [
        {"trial_id": f"{cell}:{seed}", "corruption": kind, "severity": severity, "n": 100, "accuracy": 1 - error}
        for (kind, severity), of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]


def test_mean_corruption_error_is_beside_the_first_cell_of_the_same_data() -> None:
    clean = {("clean", 0): (0.01, 0.03)}
    first = {("noise", 1): (0.1, 0.1), ("noise", 2): (0.2, 0.4), ("blur", 1): (0.0, 0.1), ("blur", 2): (0.1, 0.0)}
    other = {("noise", 1): (0.2, 0.2), ("noise", 2): (0.4, 0.4), ("blur", 1): (0.1, 0.1), ("blur", 2): (0.1, 0.1)}
    rows = (
        corrupted("mnist mlp", clean | first) + corrupted("mnist cnn", clean | other) + corrupted("kmnist cnn", other)
    )
    cells = {"mnist mlp": [0, 1], "mnist cnn": [0, 1], "kmnist cnn": [0, 1]}
    made = section(CORRUPTIONS, rows, cells)
    shown = {(row["dataset"], row["model"]): row for row in as_dicts(made)}
    # its errors under noise are half as many again, 60 to 40, and under blur twice as many
    assert shown["mnist", "cnn"]["mCE"] == pytest.approx((1.5 + 2.0) / 2)
    assert shown["mnist", "mlp"]["mCE"] == shown["kmnist", "cnn"]["mCE"] == 1
    assert shown["mnist", "cnn"] | {"mCE": None} == {
        **{"dataset": "mnist", "model": "cnn", "clean": 0.98, "severity 1": 0.85, "severity 2": 0.75, "mCE": None},
        **{"worst corruption": "noise (0.700)", "pictures": 100, "seeds": 2},
    }
    assert shown["kmnist", "cnn"]["clean"] is None
    assert "those of mlp on mnist, cnn on kmnist, and" in made.about


def test_what_the_reference_never_fails_in_counts_in_no_mean() -> None:
    first = {("noise", 1): (0.0,), ("blur", 1): (0.2,)}
    other = {("noise", 1): (0.5,), ("blur", 1): (0.1,), ("fog", 1): (0.9,)}
    rows = corrupted("mnist mlp", first) + corrupted("mnist cnn", other)
    assert [row["mCE"] for row in as_dicts(section(CORRUPTIONS, rows, {"mnist mlp": [0], "mnist cnn": [0]}))] == [
        1,
        0.5,
    ]
    never = corrupted("mnist mlp", {("noise", 1): (0.0,)}) + corrupted("mnist cnn", {("noise", 1): (0.5,)})
    assert [row["mCE"] for row in as_dicts(section(CORRUPTIONS, never, {"mnist mlp": [0], "mnist cnn": [0]}))] == [
        None
    ] * 2


def test_one_cell_is_compared_with_no_other() -> None:
    made = section(CORRUPTIONS, corrupted("mnist mlp", {("noise", 1): (0.1,)}), {"mnist mlp": [0]})
    assert "mCE" not in as_dicts(made)[0] and "mCE" not in made.about


CELLS = {"mnist mlp": [0, 1, 2], "mnist cnn": [0, 2], "kmnist cnn": [1]}
TRIALS = [(cell, f"{cell}:{seed}") for cell, seeds in CELLS.items() for seed in seeds]


def test_attacks_by_eps() -> None:
    random = np.random.default_rng(1)
    rows = []
    for cell, trial_id in TRIALS:
        rows.append({"trial_id": trial_id, "method": "clean", "eps": 0.0, "n": 9, "accuracy": 0.9, "monotone": None})
        for eps, method in product((0.1, 0.05), ("random", "fgsm", "pgd")):
            monotone = None if method == "random" else not (cell == "mnist cnn" and eps == 0.1)
            found = {"method": method, "eps": eps, "n": 9, "accuracy": random.random(), "monotone": monotone}
            rows.append({"trial_id": trial_id, **found})
    shown = as_dicts(section(ATTACKS, rows, CELLS))
    assert len(shown) == 6
    for row in shown:
        cell = f"{row['dataset']} {row['model']}"
        own = [each for each in rows if each["trial_id"].startswith(f"{cell}:") and each["eps"] == row["eps"]]
        for method in ("random", "fgsm", "pgd"):
            accuracies = [each["accuracy"] for each in own if each["method"] == method]
            assert row[method] == pytest.approx(np.mean(accuracies), abs=1e-5)
        assert row["note"] == ("gradients are masked" if (cell, row["eps"]) == ("mnist cnn", 0.1) else "")
        assert (row["clean"], row["seeds"]) == (0.9, len(CELLS[cell]))


def test_explanations_by_method() -> None:
    gains = {"random": None, "grad_cam": -0.1, "saliency": 0.2}
    rows = [
        {"trial_id": trial_id, "method": method, "n": 5, "seconds": 2.0, "deletion": 0.3, "deletion_gain": gain}
        | ({"reason": "it has no map"} if (cell, method) == ("mnist mlp", "grad_cam") else {})
        for cell, trial_id in TRIALS
        for method, gain in gains.items()
    ]
    shown = {(row["dataset"], row["model"], row["method"]): row for row in as_dicts(section(EXPLANATIONS, rows, CELLS))}
    assert [key[2] for key in shown] == [*gains] * 3
    assert shown["mnist", "mlp", "grad_cam"]["note"] == "it has no map"
    assert shown["kmnist", "cnn", "grad_cam"]["note"] == "no better than a random map"
    assert shown["kmnist", "cnn", "saliency"]["note"] == shown["kmnist", "cnn", "random"]["note"] == ""
    assert shown["mnist", "mlp", "saliency"]["better than random by"] == 0.2
    assert shown["mnist", "mlp", "random"]["better than random by"] is None


def test_the_worst_part_of_each_that_a_split_is_parted_by() -> None:
    def part(trial_id: str, by: str, name: str, accuracy: float, n: int = 100, **more: Any) -> dict[str, Any]:
        return {"trial_id": trial_id, "by": by, "part": name, "n": n, "accuracy": accuracy, **more}

    rows = []
    for seed, low in ((0, 0.1), (1, 0.2)):
        trial_id = f"mnist mlp:{seed}"
        rows += [part(trial_id, "class", "3", 0.8 - low), part(trial_id, "class", "5", 0.9, n=300)]
        rows += [part(trial_id, "class", "8", 0.0, n=7, left_out="7 examples, fewer than 30")]
        rows += [
            part(trial_id, "contrast", f"1 of 5: 0 to {low}", 0.5, p=low),
            part(trial_id, "contrast", "2 of 5: 1 to 2", 0.6),
        ]
    by_class, by_contrast = as_dicts(section(GROUPS, rows, {"mnist mlp": [0, 1]}))
    assert (by_class["parted by"], by_class["worst part"], by_class["p"]) == ("class", "3", None)
    assert by_class["its accuracy"] == pytest.approx(0.65)
    assert by_class["accuracy of all parts"] == pytest.approx((0.65 + 3 * 0.9) / 4)
    assert (by_contrast["worst part"], by_contrast["p"], by_contrast["seeds"]) == ("1 of 5", 0.1, 2)


def test_drift_by_detector_and_window() -> None:
    def row(
        trial_id: str, window: int, shift: str, severity: int, power: float | None, harm: float | None
    ) -> dict[str, Any]:
        alarms = {
            "false_alarms": 0.04,
            "power": power,
            "harm": harm,
            "harmless": None if harm is None else harm <= 0.01,
        }
        return {
            "trial_id": trial_id,
            "detector": "bbsd",
            "window": window,
            "shift": shift,
            "severity": severity,
            **alarms,
        }

    rows = []
    for _, trial_id in TRIALS:
        for window in (200, 50):
            rows.append(row(trial_id, window, "none", 0, None, None))
            rows.append(row(trial_id, window, "rotate", 3, window / 200, 0.2))
            rows.append(row(trial_id, window, "half_classes", 0, 0.5, 0.06))
            rows.append(row(trial_id, window, "fog", 1, 0.7, 0.0))
    shown = as_dicts(section(DRIFT, rows, CELLS))
    assert [row["window"] for row in shown] == [200, 50] * 3
    large, small = shown[:2]
    assert (large["false alarms"], large["power"], large["found worst"]) == (0.04, 0.75, "half_classes (0.500)")
    assert (small["power"], small["found worst"]) == (0.375, "rotate 3 (0.250)")
    assert (small["alarms about harmless shifts"], small["note"], small["seeds"]) == (0.7, "", 3)
    nothing = as_dicts(section(DRIFT, [each for each in rows if each["shift"] in ("none", "fog")], CELLS))[0]
    assert (nothing["power"], nothing["found worst"]) == (None, "")
