"""The values of open parameters for the eye. Imports nothing heavy: `orch status` and `orch logs` say them too."""

import json
from collections.abc import Mapping
from typing import Any


def shown(values: Mapping[str, Any]) -> str:
    """`optimizer.lr=0.012 model.hidden=[64]`."""
    return " ".join(f"{name}={shown_value(value)}" for name, value in values.items())


def shown_text(values: str | None) -> str:
    """The same of the `tuned` column (JSON); empty where a row has none."""
    return "" if values is None else shown(json.loads(values))


def shown_value(value: Any) -> str:
    """Three digits of a number with a fraction, JSON of anything else."""
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)
