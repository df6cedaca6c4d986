"""From the records that a trial hands out to the values of table rows."""

from dataclasses import asdict
from typing import Any

from trainables.records import CueScores, Scores, TrialResult

_SCORES = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "f1_weighted",
    "roc_auc_macro",
    "cross_entropy",
    "brier",
    "ece",
    "mse",
    "mae",
    "r2",
)


def outcome_values(result: TrialResult) -> dict[str, Any]:
    """The columns of a trial's row that its result fills, by name."""
    return {
        "status": result.status,
        "reason": result.reason,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        **_split_values("train", result.train),
        **_split_values("val", result.val),
        **_split_values("test", result.test),
        "train_size": result.sizes.train,
        "val_size": result.sizes.val,
        "test_size": result.sizes.test,
        "dropped_duplicates": result.sizes.dropped,
        "unlabelled_size": result.sizes.unlabelled,
        **_cue_values(result.cue),
        "generated_size": result.sizes.generated,
        **asdict(result.costs),
        "total_seconds": result.costs.total_seconds,
        "seed_split": result.seeds.split,
        "seed_init": result.seeds.init,
        "seed_order": result.seeds.order,
        "seed_augment": result.seeds.augment,
        "world_size": result.world_size,
        "threads": result.threads,
        "device": result.device,
        "lr_lowest_loss": result.lr_lowest_loss,
        "lr_diverged": result.lr_diverged,
    }


def _split_values(split: str, scores: Scores | None) -> dict[str, Any]:
    return {f"{split}_{name}": None if scores is None else getattr(scores, name) for name in _SCORES}


def _cue_values(cue: CueScores | None) -> dict[str, Any]:
    names = ("agrees_size", "agrees_accuracy", "conflicts_accuracy")
    return {f"cue_{name}": None if cue is None else getattr(cue, name) for name in names}
