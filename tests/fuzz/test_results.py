"""Results directories with anything changed in them: each command tells what is wrong, ends, and touches nothing else.

`make fuzz` tries 3,000 where the test suite tries 25, and `make slow-tests` 75 others. A case that fails is printed with
its number, and `ORCH_FUZZ_FIRST=<number> ORCH_FUZZ_CASES=1 pytest tests/fuzz/test_results.py` runs it again, alone.
"""

import gc
import os
import random
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from orchestrator.cli import run
from orchestrator.store.local_disk import JOURNAL_DIR
from tests.fuzz.results_commands import Ended, forked, load_all, started
from tests.fuzz.results_mutations import Place, mutate
from tests.fuzz.results_sample import TRIAL, make, make_outside

CASES: Final = min(3000, int(os.environ.get("ORCH_FUZZ_CASES", "100")))
QUICK: Final = 25
"""So many of them by default."""
FIRST: Final = int(os.environ.get("ORCH_FUZZ_FIRST", "0"))
LONG: Final = "ORCH_FUZZ_CASES" in os.environ
AS_STARTED: Final = 40
"""Every so manieth case is tried with commands as a user starts them too."""
READING: Final = {
    "status": ["status", "demo"],
    "status --json": ["status", "demo", "--json"],
    "results": ["results", "demo"],
    "results --json": ["results", "demo", "--json"],
    "logs": ["logs", "demo", TRIAL],
    "logs --json": ["logs", "demo", TRIAL[:6], "--json"],
    "report": ["report", "demo"],
    "report --format md": ["report", "demo", "--format", "md"],
    "claims": ["claims", "demo"],
    "stop": ["stop", "demo"],
    "du": ["du", "demo"],
    "wandb push": ["wandb", "push", "demo"],
    "load": ["load", "demo"],
}
REPAIRING: Final = {
    "verify": ["verify", "demo"],
    "repair": ["repair", "demo"],
    "verify after repair": ["verify", "demo", "--json"],
}
READS_AT_ONCE: Final = 2
"""Reading commands of a case, of those above. In the suite a case has the first of them, and verify or repair."""
CODES: Final = {0, 2, 3, 4}
"""Of every command but those that take the lock, which end with 5 too. docs/faults.md has them."""


CHOSEN: Final = (
    [range(FIRST, FIRST + CASES)] if LONG else [range(QUICK), pytest.param(range(QUICK, CASES), marks=pytest.mark.slow)]
)


@pytest.mark.timeout(0 if LONG else 600)
@pytest.mark.parametrize("numbers", CHOSEN, ids=str)
def test_every_command_tells_of_damage_and_touches_nothing_else(
    numbers: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(JOURNAL_DIR, str(tmp_path / "disk"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    pristine = make(tmp_path / "pristine")
    case = tmp_path / "case"
    case.mkdir()
    monkeypatch.chdir(case)
    _import_all(_copied(pristine, case))
    capsys.readouterr()
    gc.freeze()  # so that a collection in a forked process copies nothing of this one
    failed, codes = [], Counter[str]()
    for number in numbers:
        if failures := list(_failures(number, pristine, case, tmp_path / "said", codes)):
            failed += failures
            with capsys.disabled():
                print("\n".join(failures), flush=True)
    with capsys.disabled():
        print(
            f"\n{len(numbers)} results directories from case {numbers.start} on,"
            f" {len(failed)} failures: {dict(sorted(codes.items()))}"
        )
    assert not failed, f"{len(failed)} failures, printed above"


def _failures(number: int, pristine: Place, case: Path, said: Path, codes: Counter[str]) -> Iterator[str]:
    numbers = random.Random(number)
    place = _copied(pristine, case)
    mutations = mutate(place, numbers)
    before = _tree(case)
    reads = {name: READING[name] for name in numbers.sample(sorted(READING), READS_AT_ONCE)}
    for name, arguments in _chosen(number, reads).items():
        ended = forked(arguments, said)
        codes[f"{name.split()[0]} {ended.code}"] += 1
        wrong = [*_wrong(name, ended), *_changes(before, _tree(case))]
        if number % AS_STARTED == 0 and name in ("verify", "repair"):
            wrong += _wrong(name, started(arguments, case))
        if wrong:
            yield f"case {number}, {mutations}, `orch {' '.join(arguments)}`: {'; '.join(wrong)}\n{ended.output[-8000:]}"
            return  # what comes after it is of another directory than the case's


def _chosen(number: int, reads: dict[str, list[str]]) -> dict[str, list[str]]:
    if LONG:
        return reads | REPAIRING
    repairing = "repair" if number % 2 else "verify"
    return dict(list(reads.items())[:1]) | {repairing: REPAIRING[repairing]}


def _import_all(place: Place) -> None:
    """What commands import when they need it, and what they say of a directory in which nothing was changed."""
    assert {name: run(arguments) for name, arguments in (READING | REPAIRING).items() if name != "load"} == {
        name: 2 if name in ("stop", "wandb push") else 0 for name in READING | REPAIRING if name != "load"
    }
    assert load_all(str(place.root)) == 0


def _copied(pristine: Place, case: Path) -> Place:
    """Anew: nothing of the case before is there."""
    for path in case.iterdir():
        shutil.rmtree(path)
    place = Place(case / pristine.root.name, case / pristine.outside.name)
    shutil.copytree(pristine.root, place.root)
    make_outside(place)
    return place


def _wrong(name: str, ended: Ended) -> Iterator[str]:
    if ended.code is None:
        yield "it hung"
    elif ended.code not in CODES | ({5} if name == "repair" else set()):
        yield f"it ended with {ended.code}"
    if "Traceback (most recent call last)" in ended.output and "it printed" not in ended.output:
        yield "it showed a traceback"


def _tree(case: Path) -> dict[str, tuple[object, ...]]:
    """All that lies beside the results directory."""
    beside = [path for path in case.iterdir() if path.name != "demo"]
    return {str(path): _seen(path) for top in beside for path in (top, *top.rglob("*"))}


def _seen(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return status.st_mode, status.st_uid, status.st_mtime_ns, content


def _changes(before: dict[str, tuple[object, ...]], now: dict[str, tuple[object, ...]]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} was {'changed' if name in before and name in now else 'made' if name in now else 'removed'}"
