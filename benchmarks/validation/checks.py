"""The checks: a grid, what is published of it, what is asked, and how its table is judged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

GRIDS: Final = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class CheckResult:
    """What a check came to."""

    measured: str
    met: bool


@dataclass(frozen=True)
class Check:
    """One row of docs/validation.md."""

    name: str
    about: str
    grid: str
    """Under `examples`."""
    published: str
    """Figure and source; empty where there is none."""
    wanted: str
    judge: Callable[[pd.DataFrame], CheckResult]
    """From the completed trials of the grid."""


def mean(trials: pd.DataFrame) -> float:
    return float(trials["test_accuracy"].mean())


def spread(trials: pd.DataFrame) -> str:
    """Mean, deviation over seeds, and their number."""
    accuracy = trials["test_accuracy"]
    deviation = f" ± {accuracy.std():.4f}" if len(accuracy) > 1 else ""
    return f"{accuracy.mean():.4f}{deviation} (n = {len(accuracy)})"


def of_model(trials: pd.DataFrame, name: str) -> pd.DataFrame:
    """The trials of one component of the model axis; raises KeyError where there is none."""
    found = trials[trials["model_config"].str.contains(f'"name": "{name}"', regex=False)]
    if found.empty:
        raise KeyError(f"no completed trial of {name}")
    return found


def at_least(name: str, least: float) -> Callable[[pd.DataFrame], CheckResult]:
    def judge(trials: pd.DataFrame) -> CheckResult:
        chosen = of_model(trials, name)
        return CheckResult(spread(chosen), mean(chosen) >= least)

    return judge


def near(figure: float, margin: float, holding: str = "") -> Callable[[pd.DataFrame], CheckResult]:
    """holding: what the model's configuration has to contain."""

    def judge(trials: pd.DataFrame) -> CheckResult:
        chosen = trials[trials["model_config"].str.contains(holding, regex=False)]
        return CheckResult(spread(chosen), abs(mean(chosen) - figure) <= margin)

    return judge


def above(better: str, worse: str, margin: float = 0.0) -> Callable[[pd.DataFrame], CheckResult]:
    """Paired by seed: the mean difference exceeds the margin and, with several seeds, every one is above 0."""

    def judge(trials: pd.DataFrame) -> CheckResult:
        first, second = (of_model(trials, name).set_index("seed")["test_accuracy"] for name in (better, worse))
        differences = (first - second).dropna()
        measured = f"{first.mean():.4f} and {second.mean():.4f}, difference {differences.mean():+.4f}"
        return CheckResult(
            f"{measured} (n = {len(differences)})", bool(differences.mean() > margin and (differences > 0).all())
        )

    return judge


def on_clips(shuffled: bool, verdict: Callable[[float], bool], *names: str) -> Callable[[pd.DataFrame], CheckResult]:
    """Every model named, on clips in order or shuffled, has a mean for which the verdict holds."""

    def judge(trials: pd.DataFrame) -> CheckResult:
        wanted = f'"shuffled": {str(shuffled).lower()}'
        clips = trials[trials["dataset_config"].str.contains(wanted, regex=False)]
        groups = [group for name in names for _, group in of_model(clips, name).groupby("model")]
        message = "; ".join(f"{group['model'].iloc[0]} {spread(group)}" for group in groups)
        return CheckResult(message, all(verdict(mean(group)) for group in groups))

    return judge


_DEEPOBS: Final = "Schneider, Balles and Hennig 2019"
_ALL_CLIPS: Final = ("cnn_rnn", "cnn3d", "frame_average")

CHECKS: Final = (
    Check("mnist-cnn", "cnn on MNIST, 5 epochs", "validation/mnist.yaml", "", "at least 0.99", at_least("cnn", 0.99)),
    Check("mnist-lstm", "lstm by rows, 5 epochs", "validation/mnist.yaml", "", "at least 0.98", at_least("lstm", 0.98)),
    Check("mnist-rnn", "rnn below lstm", "validation/mnist.yaml", "", "lstm above rnn", above("lstm", "rnn")),
    Check(
        "few-labels",
        "sgan beside cnn, 100 labels of MNIST",
        "validation/few_labels.yaml",
        "0.9907 (Salimans et al. 2016, table 1, much longer training)",
        "sgan above cnn by 0.05",
        above("sgan", "cnn", 0.05),
    ),
    Check(
        "2c2d",
        "2c2d on Fashion-MNIST, 5 epochs",
        "deepobs_2c2d.yaml",
        f"0.8967 ({_DEEPOBS})",
        "0.897 ± 0.01",
        near(0.897, 0.01, '"init": "truncated_normal"'),
    ),
    Check(
        "3c3d",
        "3c3d on CIFAR-10 (JPEG copy), 5 epochs",
        "validation/deepobs_3c3d.yaml",
        f"0.720 ({_DEEPOBS})",
        "0.72 ± 0.03",
        near(0.72, 0.03),
    ),
    Check(
        "clips-order",
        "clips, models that see the order",
        "validation/moving_digits.yaml",
        "",
        "at least 0.95",
        on_clips(False, lambda accuracy: accuracy >= 0.95, "cnn_rnn", "cnn3d"),
    ),
    Check(
        "clips-blind",
        "clips, frame_average",
        "validation/moving_digits.yaml",
        "",
        "at most 0.5",
        on_clips(False, lambda accuracy: accuracy <= 0.5, "frame_average"),
    ),
    Check(
        "clips-shuffled",
        "clips, frames shuffled",
        "validation/moving_digits.yaml",
        "",
        "0.125 ± 0.04 (chance)",
        on_clips(True, lambda accuracy: abs(accuracy - 0.125) <= 0.04, *_ALL_CLIPS),
    ),
    Check(
        "transfer-frozen",
        "frozen EfficientNet-Lite0, 2,000 images of CIFAR-10 at 96 pixels",
        "validation/transfer.yaml",
        "",
        "at least 0.65",
        lambda trials: at_least("pretrained:efficientnet_lite0", 0.65)(
            trials[trials["model_config"].str.contains('"tune": "frozen"', regex=False)]
        ),
    ),
    Check(
        "transfer-gain",
        "the same, beside training from scratch",
        "validation/transfer.yaml",
        "",
        "0.2 above",
        lambda trials: _gain(trials, 0.2),
    ),
)


def _gain(trials: pd.DataFrame, margin: float) -> CheckResult:
    frozen = trials["model_config"].str.contains('"tune": "frozen"', regex=False)
    difference = mean(trials[frozen]) - mean(trials[~frozen])
    return CheckResult(f"{spread(trials[frozen])} and {spread(trials[~frozen])}", difference >= margin)
