"""`sweeper.py` whose lease is quick to be given up: `python network_sweeper.py GRID ENGINE`. Tests do not wait a minute."""

import sys

from orchestrator.store import lock
from tests.orchestrator import sweeper

BEAT, STALE = 0.2, 2.0

if __name__ == "__main__":
    lock.BEAT, lock.STALE = BEAT, STALE
    sys.exit(sweeper.main(*sys.argv[1:]))
