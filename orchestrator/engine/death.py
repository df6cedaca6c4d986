"""How a process ended."""

import signal


def told_death(code: int | None) -> str:
    """code: as `subprocess` has it, negative for a signal; None where it has not ended."""
    if code is None:
        return "its process does not answer"
    if code >= 0:
        return f"its process ended with code {code}"
    return f"its process was ended by {signal.Signals(-code).name}"
