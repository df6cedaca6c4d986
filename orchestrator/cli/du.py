"""`orch du RESULTS`: where the bytes of a results directory are."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.text import counted, size

if TYPE_CHECKING:
    from orchestrator.results.disk_usage import CacheUsage, DiskUsage

_CELLS: Final = 10
"""Cells that are shown."""


@click.command(epilog="Example: orch du results/demo; orch clean results/demo removes what no grid names.")
@click.argument("results", type=RESULTS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every cell.")
def command(results: Path, as_json: bool) -> int:
    """Show how much space the files of the directory RESULTS take: by kind, and by the cells whose trials left them.

    Links are not followed. Decoded data and the features of frozen nets are not included: they are kept once per machine,
    in ORCH_CACHE, and are safe to delete while nothing runs. Exits with 4 if the journal cannot be read (after showing the
    kinds).
    """
    from contextlib import closing

    from orchestrator.errors import DamagedResults, UserError
    from orchestrator.results.disk_usage import disk_usage
    from orchestrator.store.files import not_permitted
    from orchestrator.store.reading import open_journal, results_at

    paths, damage = results_at(results), None
    try:
        if not paths.journal.exists():
            found = disk_usage(paths, None)
        else:
            try:
                with closing(open_journal(paths)) as journal:
                    found = disk_usage(paths, journal)
            except DamagedResults as damaged:
                found, damage = disk_usage(paths, None), damaged
    except PermissionError as error:
        raise not_permitted(results, error) from error
    except OSError as error:
        raise UserError(f"cannot read {results}: {error}") from error
    say(_as_json(found) if as_json else "\n".join(_as_text(found, results)))
    if damage is not None:
        say(damage, err=True)
        return damage.exit_code
    return 0


def _as_json(found: "DiskUsage") -> str:
    import json
    from dataclasses import asdict

    cache = _cache()
    kept = None if cache is None else asdict(_cached(cache))
    told = {"decoded_data": None if cache is None else str(cache), "cache_bytes": kept}
    return json.dumps({"bytes": found.bytes, **asdict(found), **told}, indent=2)


def _as_text(found: "DiskUsage", results: Path) -> list[str]:
    from trainables.data.own_folders import FEATURES

    lines = [f"{results}: {size(found.bytes)}", ""]
    lines += [f"  {size(kind.bytes):>10}  {kind.what} ({counted(kind.files, 'file')})" for kind in found.kinds]
    if found.printed:
        lines.append(f"  {size(found.printed):>10}  of the journal is what trials printed")
    if found.cells:
        lines += ["", "weights, images, checkpoints and predictions by cell"]
        lines += [
            f"  {size(cell.bytes):>10}  {cell.label} ({counted(cell.trials, 'trial')})" for cell in found.cells[:_CELLS]
        ]
    if more := found.cells[_CELLS:]:
        lines.append(f"  {size(sum(cell.bytes for cell in more)):>10}  {counted(len(more), 'other cell')}")
    if (cache := _cache()) is None:
        return lines
    kept = _cached(cache)
    lines += ["", f"decoded data is kept once per machine, in {cache}", f"  {size(kept.decoded):>10}  decoded data"]
    return [*lines, f"  {size(kept.features):>10}  features of frozen nets, in {FEATURES}/"]


def _cache() -> Path | None:
    from orchestrator.errors import UserError
    from orchestrator.plan.prepare import data_location

    try:
        return data_location(None, None).cache
    except UserError:
        return None


def _cached(cache: Path) -> "CacheUsage":
    from orchestrator.results.disk_usage import CacheUsage, cache_usage

    try:
        return cache_usage(cache)
    except OSError:  # another user's: where it is is told all the same
        return CacheUsage(0, 0)
