"""What torchvision calls its classifiers, read from its files: to import it for a hint at a wrong name takes seconds."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_REGISTERED: Final = re.compile(r'^@register_model\((?:"(\w+)")?\)\n(?:@.*\n(?:[ )].*\n)*)*def (\w+)\(', re.MULTILINE)
"""A builder under the decorator by which torchvision lists it, perhaps by another name, with other decorators between."""


@cache
def names() -> Sequence[str]:
    """Return them sorted; none where torchvision is not installed."""
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        return ()
    files = sorted(Path(found.origin).with_name("models").glob("*.py"))
    return sorted(named or builder for file in files for named, builder in _REGISTERED.findall(file.read_text("utf-8")))
