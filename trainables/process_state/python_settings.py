"""Settings of Python, of numpy and of the process."""

import asyncio
import decimal
import gc
import inspect
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from typing import Any, Final

import numpy as np

from trainables.process_state.change import Setting

_LIMITS: Final = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_STACK,
)
_SIGNALS: Final = (
    signal.SIGALRM,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGTERM,
    signal.SIGUSR1,
)
_handler: Final = inspect.unwrap(signal.getsignal)
"""Without a search, each time, for the name of what it gets."""
_OF_COMPILERS: Final = (b"TORCHINDUCTOR_", b"TRITON_")
"""Begin the names of variables that torch sets for itself when it compiles."""


def _environment() -> dict[bytes, bytes]:
    return {name: value for name, value in _variables().items() if not name.startswith(_OF_COMPILERS)}


def _set_environment(before: dict[bytes, bytes]) -> None:
    for name in set(_environment()) - set(before):
        del os.environb[name]
    os.environb.update(before)
    time.tzset()


def _variables() -> dict[bytes, bytes]:
    """Return what is behind `os.environb`, whose every access takes a microsecond."""
    return os.environ._data  # type: ignore[attr-defined,no-any-return]


def _limits() -> tuple[tuple[int, int], ...]:
    return tuple(resource.getrlimit(limit) for limit in _LIMITS)


def _set_limits(values: tuple[tuple[int, int], ...]) -> None:
    for limit, value in zip(_LIMITS, values, strict=True):
        resource.setrlimit(limit, value)


def _set_priority(value: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, value)


def _decimals() -> tuple[object, ...]:
    context = decimal.getcontext()
    traps = tuple(trap for trap, on in context.traps.items() if on)
    return context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp, traps


def _set_decimals(values: tuple[Any, ...]) -> None:
    prec, rounding, lowest, highest, capitals, clamp, traps = values
    decimal.setcontext(decimal.Context(prec, rounding, lowest, highest, capitals, clamp, [], list(traps)))


def _warnings_that_raise() -> list[tuple[object, ...]]:
    """Other filters come and go with what is imported, and change no figure."""
    return [each for each in warnings.filters if each[0] == "error"]


def _set_warnings_that_raise(before: list[tuple[object, ...]]) -> None:
    kept = [each for each in warnings.filters if each[0] != "error"]
    warnings.filters[:] = [*before, *kept]  # type: ignore[index]


def _logging() -> tuple[object, ...]:
    root = logging.getLogger()
    return root.level, logging.root.manager.disable, tuple(root.handlers), tuple(root.filters)


def _set_logging(values: tuple[Any, ...]) -> None:
    root = logging.getLogger()
    level, disabled, root.handlers[:], root.filters[:] = values
    root.setLevel(level)
    logging.disable(disabled)


def _collector() -> tuple[bool, tuple[int, int, int], int]:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _set_collector(values: tuple[bool, tuple[int, int, int], int]) -> None:
    enabled, threshold, debug = values
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)


def _handlers() -> tuple[object, ...]:
    return tuple(map(_handler, _SIGNALS))


def _set_handlers(before: tuple[Any, ...]) -> None:
    for number, handler in zip(_SIGNALS, before, strict=True):
        if handler is not None and _handler(number) != handler:  # None: not from Python, and not to be had
            signal.signal(number, handler)


def _timer() -> bool:
    return any(
        signal.getitimer(each)[0] > 0 for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    )


def _stop_timers(before: bool) -> None:
    if not before:
        for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(each, 0)


def _blocked() -> set[int]:
    """But SIGTERM, which whoever runs a trial opens for what that starts."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ())) - {signal.SIGTERM}


def _excepthooks() -> tuple[Any, ...]:
    return sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook


def _set_excepthooks(values: tuple[Any, ...]) -> None:
    sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook = values


def _numpy() -> tuple[object, ...]:
    return np.geterr(), np.geterrcall(), np.getbufsize()


def _set_numpy(values: tuple[Any, ...]) -> None:
    errors, call, size = values
    np.seterr(**errors)
    np.seterrcall(call)
    np.setbufsize(size)


def _start_method() -> str:
    """The default where nobody has chosen: Python makes it the choice as soon as it starts a process in any way."""
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


SETTINGS: Final[tuple[Setting[Any], ...]] = (
    # first: all that follows has to call something
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("timers", _timer, _stop_timers),
    Setting("the handlers of signals", _handlers, _set_handlers),
    Setting("which signals are blocked", _blocked, lambda value: signal.pthread_sigmask(signal.SIG_SETMASK, value)),
    Setting("environment variables", _environment, _set_environment),
    Setting("the time zone", lambda: (time.tzname, time.timezone), lambda _: time.tzset()),
    Setting(
        "the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)
    ),
    Setting("the limits of the process", _limits, _set_limits),
    Setting(
        "the processors of the process", lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value)
    ),
    Setting("the priority of the process", lambda: os.getpriority(os.PRIO_PROCESS, 0), _set_priority),
    Setting("the switch interval of threads", sys.getswitchinterval, sys.setswitchinterval),
    Setting("the most digits of a number", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Setting("the garbage collector", _collector, _set_collector),
    Setting("the decimal context", _decimals, _set_decimals),
    Setting("numpy's errors", _numpy, _set_numpy),
    Setting("how numpy prints", np.get_printoptions, lambda values: np.set_printoptions(**values)),
    Setting("warnings that raise", _warnings_that_raise, _set_warnings_that_raise),
    Setting("the root logger", _logging, _set_logging),
    Setting("the hooks of exceptions", _excepthooks, _set_excepthooks),
    Setting("the policy of asyncio", asyncio.get_event_loop_policy, asyncio.set_event_loop_policy),
    Setting("the time-out of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Setting(
        "how processes are started",
        _start_method,
        lambda value: multiprocessing.set_start_method(value, force=True),
    ),
)
