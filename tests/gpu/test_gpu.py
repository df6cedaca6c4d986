"""What a GPU changes, and what it must not. `pytest -m gpu`; skipped without CUDA."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import distributed

from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.gpu.null_after_cuda_error import poison_then_null
from trainables.context import Context, SingleContext
from trainables.dataset import DataLocation, Dataset
from trainables.models.cnn import Cnn
from trainables.optimizers.sgd import Sgd
from trainables.process_state.precision import numerics
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.training.process_group import ProcessGroupContext
from trainables.training.trial import run_trial

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ROOT = Path(__file__).parents[2]
GRID = "name: poisoned\naxes: {dataset: digits, model: mlp, optimizer: sgd}\nseeds: 6\nresources: {gpus: 1}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


def run(
    place: DataLocation, device: torch.device, channels: tuple[int, ...] = (8, 16), **protocol: Any
) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    return _run_in(SingleContext(device, rows.append), place, channels, **protocol), rows


def _run_in(context: Context, place: DataLocation, channels: tuple[int, ...] = (8, 16), **protocol: Any) -> TrialResult:
    digits = registry.get("dataset", "digits").from_parameters({})
    assert isinstance(digits, Dataset)
    settings = Protocol.from_parameters({"epochs": 3, **protocol})
    optimizer = Sgd(lr=0.05, momentum=0.9)
    spec = TrialSpec(
        digits, Cnn(channels=channels, hidden=(32,)), optimizer, (), settings, 0, digits.fingerprint(place)
    )
    return run_trial(TrialTask(spec.trial_id, 1, spec, place, None), context)


def losses(rows: list[EpochRow]) -> list[float]:
    return [loss for row in rows for loss in (row.train_loss, row.val.loss)]


def test_a_trial_has_the_same_losses_as_on_the_cpu(place: DataLocation) -> None:
    on_cpu, cpu_rows = run(place, CPU)
    on_gpu, gpu_rows = run(place, CUDA)
    assert losses(gpu_rows) == pytest.approx(losses(cpu_rows), abs=1e-3)
    assert on_gpu.test is not None and on_cpu.test is not None
    assert on_gpu.test.loss == pytest.approx(on_cpu.test.loss, abs=1e-3)
    assert on_gpu.device == torch.cuda.get_device_name(CUDA)


def test_bf16_computes_in_bf16_and_learns_as_well(place: DataLocation) -> None:
    full, full_rows = run(place, CUDA, epochs=10)
    half, half_rows = run(place, CUDA, epochs=10, precision="bf16")
    assert full.test is not None and half.test is not None
    assert losses(half_rows)[:2] != pytest.approx(losses(full_rows)[:2], abs=1e-5)
    assert half.test.accuracy == pytest.approx(full.test.accuracy, abs=0.03)
    assert half.test.accuracy is not None and half.test.accuracy > 0.85


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0),
    reason="TF32 came with compute capability 8",
)
def test_tf32_is_used_only_where_it_is_asked_for() -> None:
    generator = torch.Generator(CUDA).manual_seed(0)
    left, right = (torch.randn(1024, 1024, device=CUDA, generator=generator) for _ in range(2))
    exact = (left.double() @ right.double()).float()

    def error(precision: str) -> float:
        with numerics(Protocol.from_parameters({"precision": precision})):
            return float((left @ right - exact).abs().max() / exact.abs().max())

    assert error("fp32") < 1e-5
    assert 1e-5 < error("tf32") < 1e-2
    assert error("fp32") < 1e-5, "put back afterwards"


def test_tf32_learns_as_well(place: DataLocation) -> None:
    _, full = run(place, CUDA)
    _, fast = run(place, CUDA, precision="tf32")
    assert losses(fast) == pytest.approx(losses(full), abs=0.03)


@pytest.fixture
def nccl_group(tmp_path: Path) -> Iterator[None]:
    if not distributed.is_nccl_available():
        pytest.skip("this torch comes without nccl")
    torch.cuda.set_device(0)
    distributed.init_process_group("nccl", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("nccl_group")
def test_one_worker_under_nccl_learns_what_one_process_learns(place: DataLocation) -> None:
    rows: list[EpochRow] = []
    device = torch.device("cuda", 0)
    grouped = _run_in(ProcessGroupContext(device, rows.append), place)
    alone, alone_rows = run(place, device)
    assert losses(rows) == pytest.approx(losses(alone_rows), abs=1e-4)
    assert grouped.world_size == 1
    assert grouped.test is not None and alone.test is not None
    assert grouped.test.loss == pytest.approx(alone.test.loss, abs=1e-4)


def test_peak_memory_is_this_trials_own(place: DataLocation) -> None:
    """A trial after a larger one in the same process has its own, smaller figure."""
    first = run(place, CUDA, (8,), epochs=1)[0].costs
    larger = run(place, CUDA, (256, 256), epochs=1, batch_size=1024)[0].costs
    again = run(place, CUDA, (8,), epochs=1)[0].costs
    assert first.peak_memory_bytes is not None and larger.peak_memory_bytes is not None
    assert first.peak_memory_bytes > 4 * first.parameters
    assert larger.peak_memory_bytes > 2 * first.peak_memory_bytes
    assert again.peak_memory_bytes is not None
    assert again.peak_memory_bytes < (first.peak_memory_bytes + larger.peak_memory_bytes) / 2


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_a_slot_is_replaced_after_a_cuda_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial that met it runs again in another process, and the trials after it are not harmed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for slots: they import this test's trial
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID)
    cluster = tmp_path / "one-slot.yaml"
    cluster.write_text("gpus: 1\nslots: {most: 1}\n")
    request = SweepRequest(
        grid=grid, cluster=cluster, results=tmp_path / "results", wandb_mode="disabled", run_trial=poison_then_null
    )
    summary = run_sweep(request, SilentProgress())
    assert summary.counts == {"completed": 6}
    attempts = pd.read_parquet(summary.results / "attempts.parquet")
    poisoned = attempts[attempts["status"] == "poisoned"]
    assert len(poisoned) == 1
    later = attempts[attempts["finished_at"] > poisoned["finished_at"].iloc[0]]
    assert set(later["status"]) == {"completed"}
    assert poisoned["pid"].iloc[0] not in set(later["pid"])
