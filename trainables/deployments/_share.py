"""Whether a net called one of 8 bits is one: layers without such arithmetic stay as they are, and no tool says so."""

from typing import Final

from trainables.errors import CannotDeploy

_LEAST: Final = 0.1
"""Share of a net's weights that are in 8 bits at least."""


def require_share(whole: int, others: int, layers: str) -> None:
    """Raise CannotDeploy where a net stays what it was. whole, others: its weights that have 8 bits now, and that have not.
    layers: those that have such arithmetic.
    """
    if not whole:
        raise CannotDeploy(f"no weight of it is in a layer with 8-bit arithmetic ({layers})")
    share = whole / (whole + others)
    if share < _LEAST:
        raise CannotDeploy(
            f"{100 * share:.2g} % of its weights are in layers with 8-bit arithmetic ({layers}): it would stay what it is"
        )
