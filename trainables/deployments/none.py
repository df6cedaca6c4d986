"""Nothing: the net as its trial has trained it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.interfaces import Deployment

if TYPE_CHECKING:
    from trainables.stages.parent import ParentNet
    from trainables.stages.variant import Variant


class Nothing(Deployment):
    """The trained net as it is. A trial at this level is trained; all other levels make something of it."""

    name: ClassVar[str] = "none"

    def make(self, parent: ParentNet) -> Variant:
        from trainables.stages.variant import Variant

        return Variant(parent.module, parent.artifact)
