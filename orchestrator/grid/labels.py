"""Short names of levels, which tell the levels of an axis apart: `sgd(lr=0.1)`, `cnn(channels=8-16)`."""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from orchestrator.grid.parameters import Value
from trainables.component import Component

if TYPE_CHECKING:
    from orchestrator.grid.levels import Family

_SAFE_TEXT = re.compile(r"[\w./~@ -]+")
_NAMED = re.compile(r"[(,](\w+)=")


class Labels:
    """How the levels of one axis are called.

    Shown are the parameters that differ among the levels of the same component; where none differs, those that the grid
    gives. One that joined a component later is left out at its default: earlier results keep their labels.
    """

    def __init__(self, families: Iterable["Family"]) -> None:
        self._shown: dict[type[Component], dict[str, dict[str, str]]] = {}
        grouped: dict[type[Component], list[Family]] = {}
        for family in families:
            grouped.setdefault(family.component, []).append(family)
        for component, members in grouped.items():
            differing = {key: texts for key in members[0].values if len(texts := _texts(members, key)) > 1}
            given = {key: _texts(members, key) for member in members for key in member.given}
            self._shown[component] = {
                key: shortened(texts) for key, texts in (differing or dict(sorted(given.items()))).items()
            }

    def shown(self, component: type[Component]) -> list[str]:
        """The parameters that its labels show."""
        return list(self._shown[component])

    def of(self, component: type[Component], values: dict[str, Value]) -> str:
        """The label of a component with these values."""
        shown = [
            f"{key}={texts[values[key].text]}"
            for key, texts in self._shown[component].items()
            if not _is_as_before(component, key, values[key])
        ]
        return f"{component.name}({','.join(shown)})" if shown else component.name


def shown_in(component: type[Component], values: dict[str, Value], label: str) -> list[str]:
    """The parameters that a label shows, where it is one of the component with these values; else none."""
    named = set(_NAMED.findall(label))
    keys = sorted(key for key in values if key in named)
    shown = ",".join(f"{key}={_formatted(json.loads(values[key].text))}" for key in keys)
    return keys if label == f"{component.name}({shown})" else []


def _is_as_before(component: type[Component], key: str, value: Value) -> bool:
    """Whether a value is the default, and no part of the identity."""
    return not value.identity and value.python == component.model_fields[key].get_default(
        call_default_factory=True, validated_data={}
    )


def _texts(families: Iterable["Family"], key: str) -> dict[str, None]:
    return dict.fromkeys(value.text for family in families for value in family.values[key])


def shortened(texts: Iterable[str]) -> dict[str, str]:
    """A short form of each JSON text, or the texts themselves where two short forms would be equal."""
    short = {text: _formatted(json.loads(text)) for text in texts}
    return short if len(set(short.values())) == len(short) else {text: text for text in short}


def _formatted(value: Any) -> str:
    match value:
        case bool() | None | dict():
            return json.dumps(value)
        case float():
            return repr(value).removesuffix(".0")
        case list():
            return "-".join(_formatted(item) for item in value) or "[]"
        case str() if not _SAFE_TEXT.fullmatch(value):
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
