"""What travels to a cluster of several machines: orch itself, and every plug-in that is installed here."""

from typing import Final

from clusters.code import Code
from trainables import KINDS

CODE: Final = Code(
    distribution="orch-grid",
    packages=("orchestrator", "trainables", "clusters", "results_schema"),
    groups=tuple(f"orch.{kind}s" for kind in KINDS),
)
