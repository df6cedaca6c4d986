"""A grid of as many trials as a benchmark asks for, on the smallest data set there is."""

from pathlib import Path
from typing import Final

_MAX_LEVELS: Final = 100


def write_null_grid(
    path: Path, trials: int, *, workers: int = 1, epochs: int = 1, share: float = 1.0, variants: int = 0
) -> Path:
    """`digits` x `mlp` x `sgd`: learning rates times seeds make exactly `trials`. Returns `path`.

    share: so much of the seeds only, for a grid that is extended later. variants: so many more of each trial, made of its
    net.
    """
    amounts = ", ".join(f"{(number + 1) / (variants + 1):.4g}" for number in range(variants))
    deployment = f"  deployment: {{name: prune, amount: [{amounts}]}}\n" if variants else ""
    levels = next(count for count in range(min(trials, _MAX_LEVELS), 0, -1) if trials % count == 0)
    rates = ", ".join(f"{(index + 1) / 1000:g}" for index in range(levels))
    path.write_text(
        f"name: null-trials\n"
        f"axes:\n"
        f"  dataset: digits\n"
        f"  model: mlp\n"
        f"  optimizer: {{name: sgd, lr: [{rates}]}}\n"
        f"{deployment}"
        f"seeds: {round(share * (trials // levels))}\n"
        f"protocol: {{epochs: {epochs}}}\n"
        f"resources: {{workers: {workers}}}\n"
        f"wandb: {{mode: disabled}}\n"
    )
    return path
