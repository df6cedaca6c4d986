"""What a results directory is known by, so that nobody takes it for data. Its other files: `orchestrator.store.paths`."""

from typing import Final

JOURNAL: Final = "journal.sqlite"
LOCK_HOLDER: Final = ".lock.json"
CHECKSUMS: Final = "checksums.json"
FETCHED: Final = ".fetched.json"
"""In a copy of a cluster's results."""
WEIGHTS: Final = "weights"
PICTURES: Final = "pictures"
CHECKPOINTS: Final = "checkpoints"
WANDB: Final = "wandb"
DAMAGED: Final = "damaged"

FOLDERS: Final = frozenset({WEIGHTS, PICTURES, CHECKPOINTS, WANDB, DAMAGED})
"""All that it has."""
