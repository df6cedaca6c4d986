"""A cell with values for its open parameters."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from orchestrator.grid.levels import Level
from orchestrator.grid.mistakes import flattened
from orchestrator.grid.values import Value, value_of
from orchestrator.plan.cell import Cell
from orchestrator.plan.support import Support
from trainables.component import Component

# The values of open parameters for display. Imports nothing heavy: `orch status` and `orch logs` say them too.


def shown(values: Mapping[str, Any]) -> str:
    """`optimizer.lr=0.012 model.hidden=[64]`."""
    return " ".join(f"{name}={shown_value(value)}" for name, value in values.items())


def shown_text(values: str | None) -> str:
    """The same of the `tuned` column (JSON); empty where a row has none. Of a cell for which repetitions of its tuning have
    chosen differently, a line for each choice: `optimizer.lr=0.012 | 0.03`.
    """
    chosen = [json.loads(line) for line in (values or "").splitlines()]
    if len(chosen) < 2:
        return shown(chosen[0] if chosen else {})
    return " ".join(f"{name}={' | '.join(shown_value(one.get(name)) for one in chosen)}" for name in chosen[0])


def shown_value(value: Any) -> str:
    """Three digits of a number with a fraction, JSON of anything else."""
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


Values = Mapping[str, Any]
"""`optimizer.lr` to its value, as JSON has it."""


class UnfitValues(Exception):
    """Values that are valid each, and not together, or not on this data. Says why."""


class TunedCell(NamedTuple):
    """A cell as one of its trials runs."""

    cell: Cell
    text: str
    """The values as JSON, as the `tuned` column has them: equal for equal values."""


def with_values(cell: Cell, values: Values) -> TunedCell:
    """The cell with its open parameters set. Raises UnfitValues."""
    tuned = cell._replace(
        model=_changed(cell.model, "model", values),
        optimizer=_changed(cell.optimizer, "optimizer", values),
        regularizer=_changed(cell.regularizer, "regularizer", values),
    )
    support = Support()
    reason = (
        support.of_model(tuned.data, tuned.model)
        or support.of_regularizers(tuned.data, tuned.model, tuned.regularizer)
        or support.of_optimizer(tuned.data, tuned.model, tuned.optimizer, tuned.regularizer)
    )
    if reason is not None:
        raise UnfitValues(f"{shown(values)}: {reason}")
    return TunedCell(tuned, json.dumps(values, sort_keys=True))


def _changed(level: Level, axis: str, values: Values) -> Level:
    changes: dict[type[Component], dict[str, Value]] = {}
    for part in level.parts:
        named = (
            (name.removeprefix(f"{axis}."), value) for name, value in values.items() if name.startswith(f"{axis}.")
        )
        own = {key: value for key, value in named if key in part.component.model_fields}
        if not own:
            continue
        try:
            config = part.component.from_parameters({**part.build().parameters(), **own})
        except ValidationError as invalid:
            said = "; ".join(details["msg"].removeprefix("Value error, ") for details in flattened(invalid))
            raise UnfitValues(f"{shown(values)}: {part.component.name}: {said}") from invalid
        changes[part.component] = {key: value_of(config, key) for key in own}
    return level.changed(changes)
