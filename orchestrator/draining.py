"""Whether `orch stop` has asked this sweep to end, as the sweep looks at it between two steps."""

import time
from typing import Final

from orchestrator.errors import Stopped
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.stop_request import Manner, asked_to_stop

LOOK_PERIOD: Final = 0.25
"""Seconds between two looks at the file; a sweep asks some thousand times a second."""


class Draining:
    """What has been asked stays asked until the sweep has ended, except that `--now` may follow."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._manner: Manner | None = None
        self._looked = 0.0

    def asked(self) -> bool:
        """Whether no trial is to be begun any more."""
        now = time.monotonic()
        if self._manner != "now" and now - self._looked >= LOOK_PERIOD:
            self._looked = now
            self._manner = asked_to_stop(self._paths) or self._manner
        return self._manner is not None

    def check(self) -> None:
        """Raise Stopped where trials that run are not to be waited for either."""
        if self.asked() and self._manner == "now":
            raise Stopped
