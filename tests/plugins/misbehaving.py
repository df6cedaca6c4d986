"""A plug-in whose trials misbehave: the regularizer `mischief` does what its parameter names, as it is handed the model."""

import contextlib
import locale
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from torch import nn

from trainables.interfaces import Regularizer

_kept: list[Any] = []


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("nothing to say")

    __repr__ = __str__


class Foreign(BaseException):
    """Is not an Exception."""


class Liar(RuntimeError):
    """Is of another class each time it is asked."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise TypeError("who asks?")


def raises(make: Callable[[], BaseException]) -> Callable[[], None]:
    def deed() -> None:
        raise make()

    return deed


def cyclic() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def recurses() -> None:
    recurses()


def closes_its_output() -> None:
    print("before")
    sys.stdout.close()
    sys.stderr.close()
    os.close(1)
    raise ValueError("after")


def forks() -> None:
    if copy := os.fork():
        os.waitpid(copy, 0)  # which goes on as the trial, until it has something to tell


def leaves_a_child() -> None:
    if not os.fork():
        time.sleep(600)
        os._exit(0)


def leaves_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=False).start()


def computes_on() -> None:
    def spin() -> None:
        while True:
            sum(range(1000))

    threading.Thread(target=spin, daemon=True).start()


def prints_a_gigabyte() -> None:
    line = "x" * 2**20
    for _ in range(2**10):
        print(line)
    print("the last line \ud800 \0")


def leaks_files() -> None:
    _kept.extend(open(os.devnull) for _ in range(500))  # noqa: SIM115, PTH123


def hooks_all_modules() -> None:
    nn.modules.module.register_module_forward_hook(lambda module, inputs, outputs: outputs * 0)


def patches_the_loss() -> None:
    torch.nn.functional.cross_entropy = lambda outputs, targets, **other: outputs.sum() * 0  # type: ignore[assignment]


def patches_a_layer() -> None:
    nn.Linear.forward = lambda self, inputs: torch.zeros(len(inputs), self.out_features) + self.bias  # type: ignore[method-assign]


def patches_a_step() -> None:
    torch.optim.Adam.step = lambda self, closure=None: None  # type: ignore[method-assign,assignment]


def patches_the_tensor() -> None:
    torch.Tensor.backward = lambda self, *arguments, **other: None  # type: ignore[method-assign,assignment]


def changes_settings() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(2)
    np.seterr(all="raise")
    os.environ["ORCH_CACHE"] = "/nowhere"
    os.umask(0o777)
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "C")
    sys.path.insert(0, "/nowhere")
    signal.setitimer(signal.ITIMER_REAL, 60)


DEEDS: dict[str, Callable[[], Any]] = {
    "surrogate": raises(lambda: ValueError("half \ud800 and \0 nothing")),
    "mute": raises(Mute),
    "liar": raises(lambda: Liar("who")),
    "foreign": raises(lambda: Foreign("from elsewhere")),
    "generator_exit": raises(GeneratorExit),
    "interrupt": raises(KeyboardInterrupt),
    "leaves": raises(lambda: SystemExit("bye")),
    "long": raises(lambda: ValueError("long " * 10_000_000)),
    "group": raises(lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("\ud800")])),
    "cyclic": cyclic,
    "recurses": recurses,
    "closes": closes_its_output,
    "forks": forks,
    "child": leaves_a_child,
    "thread": leaves_a_thread,
    "spins": computes_on,
    "prints": prints_a_gigabyte,
    "leaks": leaks_files,
    "hook": hooks_all_modules,
    "loss": patches_the_loss,
    "layer": patches_a_layer,
    "step": patches_a_step,
    "tensor": patches_the_tensor,
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "no_gradients": lambda: torch.set_grad_enabled(False),
    "low_recursion": lambda: sys.setrecursionlimit(150),
    "folder": lambda: os.chdir("/"),
    "settings": changes_settings,
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "abort": os.abort,
    "exit": lambda: os._exit(7),
}


class Mischief(Regularizer):
    """Does it in the trial's own process, once the model is built."""

    name = "mischief"

    deed: str

    def on_model(self, module: nn.Module) -> None:
        DEEDS[self.deed]()
