"""Signals that whoever started the tests ignores (nohup; a shell's `&`) would be ignored by the sweeps that we signal."""

import signal


def hear_signals() -> None:
    """For this process and those that it starts."""
    for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
