"""Why a combination cannot work: what its components say of each other and of the data."""

from collections.abc import Callable
from typing import cast

from orchestrator.grid.levels import ComponentValues, Level
from orchestrator.grid.settings import Resources
from orchestrator.grid.values import Remembered
from orchestrator.plan.resolve import LocatedData
from trainables.component import Component
from trainables.dataset import DataInfo, Dataset
from trainables.interfaces import Deployment, Measurement, Model, Optimizer, Regularizer
from trainables.protocol import Protocol, unsupported


class Support:
    """Asks the components, and each question once."""

    def __init__(self) -> None:
        self._of_settings: dict[tuple[int, int, int], str | None] = {}
        self._of_components: dict[tuple[str, LocatedData | int], Remembered[str | None]] = {}
        """For an axis, or a measurement, beside data or a protocol."""

    def of_model(self, data: LocatedData, model: Level) -> str | None:
        """The reason why a model cannot work on this data, or None. Nothing is known of data that is missing."""
        info = data.info
        if info is None:
            return None
        reason = self._remembered("model", data, lambda component: component.unsupported_reason(info))
        return reason(model.parts[0].given)

    def of_regularizers(self, data: LocatedData, model: Level, regularizer: Level) -> str | None:
        """The first regularizer's reason why it cannot work with this model on this data, or None."""
        if data.info is None:
            return None
        for part in regularizer.parts:
            if reason := self._regularizer(data, data.info, model, part):
                return reason
        return None

    def of_optimizer(self, data: LocatedData, model: Level, optimizer: Level, regularizer: Level) -> str | None:
        """The reason why an optimizer cannot train this model with these regularizers, or None."""
        info, part = data.info, optimizer.parts[0]
        if info is None or cast(type[Optimizer], part.component).unsupported_reason is Optimizer.unsupported_reason:
            return None

        def unsupported_reason(component: Optimizer, model: Model, *regularizers: Regularizer) -> str | None:
            return component.unsupported_reason(info, model, regularizers)

        reason = self._remembered("optimizer", data, unsupported_reason)
        return reason(part.given, model.parts[0].given, *(each.given for each in regularizer.parts))

    def of_deployment(self, data: LocatedData, model: Level, deployment: Level) -> str | None:
        """The reason why a deployment can make nothing of this model on this data, or None."""
        info, part = data.info, deployment.parts[0]
        if info is None or cast(type[Deployment], part.component).unsupported_reason is Deployment.unsupported_reason:
            return None
        reason = self._remembered(
            "deployment", data, lambda component, model: component.unsupported_reason(info, model)
        )
        return reason(part.given, model.parts[0].given)

    def of_measurement(self, data: LocatedData, model: Level, measurement: Measurement) -> str | None:
        """The reason why a measurement can find nothing out about this model on this data, or None."""
        info = data.info
        if info is None or type(measurement).unsupported_reason is Measurement.unsupported_reason:
            return None
        key = f"measurement {id(measurement)}"
        reason = self._remembered(key, data, lambda model: measurement.unsupported_reason(info, model))
        return reason(model.parts[0].given)

    def of_protocol(self, model: Level, optimizer: Level, protocol: Protocol) -> str | None:
        """The reason why a model or an optimizer cannot follow this protocol, or None."""
        refusable = protocol.accumulate > 1 or protocol.sync_batch_norm  # all that a model may refuse
        asked = [model.parts[0]] if refusable else []
        if (
            cast(type[Optimizer], optimizer.parts[0].component).unsupported_protocol_reason
            is not Optimizer.unsupported_protocol_reason
        ):
            asked.append(optimizer.parts[0])
        if not asked:
            return None
        reason = self._remembered("", id(protocol), lambda component: component.unsupported_protocol_reason(protocol))
        return next(filter(None, (reason(part.given) for part in asked)), None)

    def of_settings(self, data: LocatedData, protocol: Protocol, resources: Resources) -> str | None:
        """The reason why this protocol cannot be followed on this data with these resources, or None."""
        key = (id(data), id(protocol), id(resources))
        if key not in self._of_settings:
            self._of_settings[key] = _unsettled(data, protocol, resources)
        return self._of_settings[key]

    def reads(self, component: type[Component]) -> frozenset[str]:
        """Return all parameters of a component that any answer so far depends on: of a data set, all that it has."""
        if issubclass(component, Dataset):
            return frozenset(component.model_fields)
        return frozenset(name for asked in self._of_components.values() for name in asked.reads(component))

    def _regularizer(self, data: LocatedData, info: DataInfo, model: Level, part: ComponentValues) -> str | None:
        if part.component.unsupported_reason is Regularizer.unsupported_reason:  # type: ignore[attr-defined] # a regularizer's class
            return None
        reason = self._remembered(
            "regularizer", data, lambda component, model: component.unsupported_reason(info, model)
        )
        return reason(part.given, model.parts[0].given)

    def _remembered(
        self, axis: str, beside: LocatedData | int, function: Callable[..., str | None]
    ) -> Remembered[str | None]:
        key = axis, beside
        if key not in self._of_components:
            self._of_components[key] = Remembered(function)
        return self._of_components[key]


def _unsettled(data: LocatedData, protocol: Protocol, resources: Resources) -> str | None:
    if protocol.batch_size < resources.workers:
        return f"protocol.batch_size is {protocol.batch_size}, too small to share among {resources.workers} workers"
    if protocol.validation_per_class is not None and data.info is not None and not data.info.classes:
        return f"protocol.validation_per_class needs classes, but {data.info.name} has the task {data.info.task}"
    return None if data.task is None else unsupported(protocol, data.task)
