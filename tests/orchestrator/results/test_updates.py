"""Policies of retraining on a stream: which net answers for which block, and what that comes to."""

from pathlib import Path

import pandas as pd
import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import UserError
from orchestrator.grid.updating import USUAL, Periodic
from orchestrator.report.contents import read_page
from orchestrator.results.updates import Net, OnBlock, Stream, by_name, steps
from orchestrator.store.paths import ResultsPaths

BLOCKS = 12
SHIFTED = (4, 9)
"""Blocks in which others come."""


def phase(block: int) -> int:
    return sum(block >= first for first in SHIFTED)


def nets(false_alarm: int | None = None) -> dict[int, Net]:
    """Nets that are right in 9 of 10 pictures like the last that they have seen, and in half of others, and alarm then."""

    def said(seen: int, block: int) -> OnBlock:
        known = phase(max(0, seen - 1)) == phase(block)
        return OnBlock("none", 100, 0.9 if known else 0.5, not known or block == false_alarm)

    return {
        seen: Net(10.0 + seen, {block: said(seen, block) for block in range(seen, BLOCKS)}) for seen in range(BLOCKS)
    }


def seen_by(policy: str, every: int = 5, false_alarm: int | None = None) -> list[int]:
    return [step.seen for step in steps(nets(false_alarm), by_name((*USUAL, Periodic(periodic=every)))[policy])]


def test_each_policy_has_the_net_of_its_time() -> None:
    assert seen_by("never") == [0] * 12
    assert seen_by("always") == list(range(12))
    assert seen_by("periodic 5") == [0] * 5 + [5] * 5 + [10] * 2
    assert seen_by("periodic 1", every=1) == list(range(12))
    assert seen_by("on_alarm") == [0] * 5 + [5] * 5 + [10] * 2
    assert seen_by("on_alarm", false_alarm=2) == [0] * 3 + [3] * 2 + [5] * 5 + [10] * 2
    assert seen_by("on_alarm doubling") == [0] * 5 + [5, 6, 6, 8, 8, 10, 11]  # after blocks 4, 5 and 7; after 9 and 10
    assert seen_by("on_alarm doubling", false_alarm=6) == [0] * 5 + [5, 6, 7, 8, 8, 10, 11]
    assert seen_by("on_alarm", false_alarm=11) == seen_by("on_alarm")  # after the last there is nothing to train for


def test_figures_are_of_all_pictures_and_of_the_retrainings_alone() -> None:
    stream = Stream("digits", "mlp", "adam", "none", 3, nets())
    of = {name: stream.under(name, retrains) for name, retrains in by_name().items()}
    assert of["never"].accuracy == pytest.approx((4 * 0.9 + 8 * 0.5) / 12)
    assert of["on_alarm"].accuracy == of["always"].accuracy == pytest.approx((10 * 0.9 + 2 * 0.5) / 12)
    assert [of[name].retrainings for name in of] == [0, 2, 2, 5, 11]
    assert [of[name].alarms for name in of] == [8, 2, 2, 2, 2]
    assert of["on_alarm"].train_seconds == 15 + 20
    assert (of["never"].train_seconds, of["never"].seed, of["never"].reason) == (0, 3, None)


def test_blocks_weigh_by_their_pictures() -> None:
    two = {0: OnBlock("none", 30, 1.0, False), 1: OnBlock("none", 90, 0.0, False)}
    never = Stream("digits", "mlp", "adam", "none", 0, {0: Net(None, two)}).under("never", by_name()["never"])
    assert never.accuracy == 0.25


def test_what_is_lacking_is_told() -> None:
    some = {seen: net for seen, net in nets().items() if seen in (0, 5, 10)}
    stream = Stream("digits", "mlp", "adam", "none", 0, some)
    of = {name: stream.under(name, retrains) for name, retrains in by_name().items()}
    assert {name for name, found in of.items() if found.accuracy is None} == {"on_alarm doubling", "always"}
    assert of["always"].reason == "no net has seen 1 block" and of["always"].retrainings is None
    blind = {0: Net(1.0, {0: OnBlock("none", 40, 1.0, None), 1: OnBlock("none", 40, 1.0, None)})}
    stream = Stream("digits", "mlp", "adam", "none", 0, blind)
    for name in ("on_alarm", "on_alarm doubling"):
        assert "fewer than 30 pictures" in str(stream.under(name, by_name()[name]).reason)
    assert stream.under("never", by_name()["never"]).accuracy == 1
    assert (
        Stream(
            "digits", "mlp", "adam", "none", 0, {0: Net(None, blind[0].blocks), 1: Net(None, {1: blind[0].blocks[1]})}
        )
        .under("always", by_name()["always"])
        .train_seconds
        is None
    )


GRID = """\
name: sweep
axes:
  dataset: [digits, {name: digits, stream: {blocks: 3, shift: {name: rotate, severity: 5, from: 1}}, seen: [0, 1, 2]}]
  model: [{name: mlp, hidden: 16}, {name: mlp, hidden: 8}]
  optimizer: {name: adam, lr: 0.01}
seeds: 2
protocol: {epochs: 3, splits: {test: 0.4}}
measure: [prequential, {name: prequential, alpha: 0.5}]
wandb: {mode: disabled}
"""


def test_they_are_read_off_the_nets_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    results = orchestrator.load("results/sweep")
    found = results.updates(every=2)
    assert len(found) == 2 * 2 * 5 and found["reason"].isna().all()
    assert sorted(found["policy"].unique()) == ["always", "never", "on_alarm", "on_alarm doubling", "periodic 2"]
    trials = results.trials.assign(stream=lambda rows: rows["dataset_config"].str.contains("rotate"))
    untrained = trials[trials["stream"] & ~trials["dataset_config"].str.contains('"seen": [12]')]
    never = found[found["policy"] == "never"].merge(untrained, on=["model", "seed"], suffixes=("", "_of_trial"))
    assert len(never) == 4
    pd.testing.assert_series_equal(never["accuracy"], never["test_accuracy"], check_names=False)
    of = found.set_index(["model", "seed", "policy"])
    assert (of.xs("always", level="policy")["retrainings"] == 2).all()
    assert (of.xs("on_alarm", level="policy")["alarms"] >= 1).all()  # that the digits are turned is noticed
    assert (of.xs("always", level="policy")["accuracy"] > of.xs("never", level="policy")["accuracy"]).all()
    later = trials[trials["stream"] & trials["dataset_config"].str.contains('"seen": [12]')]
    seconds = later.groupby(["model", "seed"])["total_seconds"].sum()
    assert of.xs("always", level="policy")["train_seconds"].to_dict() == pytest.approx(seconds.to_dict())
    strict = results.updates(alpha=1e-300)
    assert (strict[strict["policy"] == "on_alarm"]["retrainings"] == 0).all()
    sections = {one.name: one for one in read_page(ResultsPaths(Path("results/sweep"))).measured}
    section, blocks = sections["updates"], sections["updates-by-block"]
    assert [row[1:3] for row in blocks.table.rows] == [(0, "none"), (1, "rotate 5"), (2, "rotate 5")] * 2
    first = blocks.table.rows[0][3:]
    assert len(first) == 5 and len(set(first)) == 1  # no policy has trained again before the first block
    assert [row[1] for row in section.table.rows] == [
        "never",
        "periodic 5",
        "on_alarm",
        "on_alarm doubling",
        "always",
    ] * 2
    for wrong in ({"every": 0}, {"alpha": 0.0}, {"alpha": 1.0}):
        with pytest.raises(UserError, match="alpha lies between 0 and 1"):
            results.updates(**wrong)  # type: ignore[arg-type] # of either type


def test_results_without_a_stream_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["  dataset: digits" if "stream" in line else line for line in GRID.splitlines()]
    Path("grid.yaml").write_text("\n".join(lines).replace("[prequential, {name: prequential, alpha: 0.5}]", "corrupt"))
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q", "--seeds", "1"]) == 0
    found = orchestrator.load("results/sweep").updates()
    assert found.empty and "policy" in found
    assert "updates" not in {one.name for one in read_page(ResultsPaths(Path("results/sweep"))).measured}
