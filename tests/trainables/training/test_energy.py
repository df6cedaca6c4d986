"""Energy counters: made-up files in the place of the kernel's, since few machines let anybody read theirs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from trainables.training import energy
from trainables.training.energy import EnergyMeter

CPU = torch.device("cpu")


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "_ZONES", tmp_path)
    return tmp_path


def zone(zones: Path, number: str, name: str, microjoules: int, full: int = 10_000_000) -> Path:
    folder = zones / f"intel-rapl:{number}"
    folder.mkdir()
    for file, content in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", full)):
        (folder / file).write_text(f"{content}\n")
    return folder / "energy_uj"


def test_packages_are_added_and_their_parts_are_not(zones: Path) -> None:
    first, second = zone(zones, "0", "package-0", 1_000_000), zone(zones, "1", "package-1", 0)
    core = zone(zones, "0:0", "core", 500_000)
    meter = EnergyMeter(CPU)
    for file, microjoules in ((first, 3_000_000), (second, 250_000), (core, 900_000)):
        file.write_text(str(microjoules))
    assert meter.joules() == pytest.approx(2.25)
    assert meter.source == "rapl"


def test_a_counter_that_was_full_goes_on_from_nought(zones: Path) -> None:
    file = zone(zones, "0", "package-0", 9_000_000)
    meter = EnergyMeter(CPU)
    file.write_text("500000")
    assert meter.joules() == pytest.approx(1.5)


def test_nothing_is_said_where_nothing_can_be_read(zones: Path) -> None:
    assert (EnergyMeter(CPU).joules(), EnergyMeter(CPU).source) == (None, None)
    file = zone(zones, "0", "package-0", 1)
    meter = EnergyMeter(CPU)
    file.unlink()
    assert meter.joules() is None


def test_a_gpu_is_counted_beside_the_packages(zones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([5_000, 7_500])
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: {"GPU-12": "handle"}[uuid],
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: {"handle": next(drawn)}[handle],
    )
    monkeypatch.setattr(energy, "import_module", {"pynvml": library}.__getitem__)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="12"))
    zone(zones, "0", "package-0", 1_000_000)
    meter = EnergyMeter(torch.device("cuda"))
    assert meter.joules() == pytest.approx(2.5)
    assert meter.source == "rapl+nvml"
