"""How numbers are computed while a trial runs: precision and determinism, put back afterwards."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import torch

from trainables.process_state.late_compiler import put_off_compiler
from trainables.protocol import Protocol

put_off_compiler()  # here, since whatever trains, counts or evaluates sets its precision
_CUBLAS_WORKSPACE: Final = ":4096:8"
"""What `torch.use_deterministic_algorithms` asks of cuBLAS. It is read once, when CUDA starts: hence set on import."""
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
# Weights and activations that fade below 1e-38 make a step on a CPU six times slower (ADR 5). A switch of the thread,
# which those that it starts inherit, torch's own among them: hence set on import, before there are any.
torch.set_flush_denormal(True)


@contextmanager
def numerics(protocol: Protocol) -> Iterator[None]:
    """Set this process's switches as the protocol asks, and put them back on the way out.

    TF32 is off unless it is asked for: cuDNN's convolutions would use it by default, and `fp32` would not mean fp32.
    """
    cudnn = torch.backends.cudnn
    matmul, convolution, benchmark = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    deterministic = torch.get_deterministic_debug_mode()
    tf32 = protocol.precision == "tf32"
    torch.set_flush_denormal(True)  # for a thread that is older than this module's import
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        cudnn.allow_tf32 = tf32
        cudnn.benchmark = False  # it picks a kernel by timing, so the same trial could run on another one
        # `use_deterministic_algorithms` would import the compiler to tell it, which `learner.compiled` does where it is used
        torch.set_deterministic_debug_mode("error" if protocol.deterministic else "default")
        yield
    finally:
        torch.set_deterministic_debug_mode(deterministic)
        torch.set_float32_matmul_precision(matmul)
        cudnn.allow_tf32, cudnn.benchmark = convolution, benchmark


def autocast(protocol: Protocol, device: torch.device) -> AbstractContextManager[object]:
    """Around a forward pass; may be entered again and again."""
    if protocol.precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
