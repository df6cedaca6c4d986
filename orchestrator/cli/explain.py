"""`orch explain RESULTS TRIAL [IMAGES...]`: where a trial's net has its answers from, as a picture and on the terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import FILE, PATH

if TYPE_CHECKING:
    from PIL import Image

    from orchestrator.results.explained import Explained, FileExplained
    from trainables.stages.explained_sheet import Sheet

_OWN: Final = 32
"""Columns of a picture on the terminal, at most."""
_OF_MANY: Final = 14
"""The same of those of a whole sheet."""
_TOP: Final = 3
"""Classes that are told of each image."""


@click.command(epilog="Example: orch explain results/demo 3fa9 seven.png -o seven-explained.png")
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL)
@click.argument("images", type=PATH, nargs=-1)
@click.option("-o", "--output", type=FILE, help="The PNG to write.  [default: explain-TRIAL.png]")
@click.option(
    "--methods",
    metavar="NAMES",
    help="Of grad_cam, saliency, integrated_gradients, occlusion, expected_gradients, divided by commas.  [default: those"
    " that were measured, or all]",
)
@click.option("--data", type=PATH, help="Data folder, for the baseline and the test pictures.  [default: ORCH_DATA]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    results: Path,
    trial: str,
    images: tuple[Path, ...],
    output: Path | None,
    methods: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Show which pixels speak for the answers of one trial's net, and whether the maps that say so are worth looking at.

    With IMAGES: your own, of any size; each map stands beside random ones: the faster the probability of the answer falls
    while its first pixels go (deletion), the better. Without: test pictures that the net is surest of, least sure of, and
    gets wrong, as the measurement `explain` has kept them, or made now where the data set is on this machine.

    Writes a PNG, and draws the maps on a terminal of 24-bit colours. A method that the net cannot have is named with the
    reason. A file that cannot be read is named, the others go on, and the exit code is 2.
    """
    from orchestrator.plan.prepare import data_location
    from orchestrator.results.explained import explained, methods_named, refuse_images
    from orchestrator.results.predicted import ImageFile
    from orchestrator.results.sheets import asked_of, kept_sheet, made_sheet, refuse_output, whole_id, write_sheet
    from orchestrator.results.trial_net import find_trial_with_net
    from orchestrator.store.reading import results_at
    from trainables.stages.explained_sheet import read_sheet

    named = methods_named(methods)
    refuse_images(images)
    paths = results_at(results)
    trial_id = whole_id(paths, trial)
    target = output or Path(f"explain-{trial_id}.png")
    refuse_output(target)
    asked, location = asked_of(paths, trial_id, named), data_location(data, None)
    if images:
        found = find_trial_with_net(paths, trial_id)
        told = explained(found, location, [ImageFile(path) for path in images], asked, _TOP)
        if told.sheet is not None:
            write_sheet(told.sheet, target)
        return _tell(trial_id, told, target, as_json=as_json)
    kept = None if named else kept_sheet(paths, trial_id)
    content = made_sheet(find_trial_with_net(paths, trial_id), location, asked) if kept is None else kept.content
    write_sheet(content, target)
    sheet = read_sheet(content)
    assert sheet is not None, "it was drawn or verified"
    _tell_sheet(trial_id, None if kept is None else kept.measurement_id, sheet, target, as_json=as_json)
    return 0


def _tell(trial_id: str, told: "Explained", target: Path, *, as_json: bool) -> int:
    if as_json:
        _print_json(trial_id, told, target)
    else:
        from orchestrator.cli.terminal.half_blocks import can_show, print_pictures
        from trainables.stages.explained_sheet import read_sheet

        sheet = None if told.sheet is None else read_sheet(told.sheet)
        for place, one in enumerate(told.files):
            likely = ", ".join(f"{name} {probability:.4f}" for name, probability in one.likely[1:])
            say(f"{one.file}: {one.answer} {one.likely[0][1]:.4f}{f' ({likely})' if likely else ''}")
            if sheet is not None and can_show(sys.stdout):
                print_pictures(sys.stdout, _tiles(sheet, place), _OWN)
            _print_maps(one)
        if told.files:
            for method, reason in _absent(told.files[0]):
                say(f"no {method}: {reason}")
            say(f"baseline: {told.baseline}")
            say(target)
    for file, reason in told.unread:
        say(f"{file}: {reason}", err=True)
    if told.unread:
        say(f"{len(told.unread):,} of {len(told.unread) + len(told.files):,} could not be read", err=True)
    return 2 if told.unread else 0


def _print_maps(one: "FileExplained") -> None:
    import pyarrow as pa

    from orchestrator.cli.terminal.listing import print_listing

    there = [of for of in one.maps if of.values is not None]
    print_listing(
        pa.table(
            {
                "map": [*(of.method for of in there), "random"],
                "deletion": [*(of.deletion for of in there), one.random_deletion],
                "insertion": [*(of.insertion for of in there), one.random_insertion],
                "note": [*("" if of.worth else "not worth looking at: random maps do as well" for of in there), ""],
            }
        ),
        chosen=True,
    )


def _absent(one: "FileExplained") -> list[tuple[str, str]]:
    return [(of.method, of.reason or "") for of in one.maps if of.values is None]


def _tell_sheet(trial_id: str, measurement_id: str | None, sheet: "Sheet", target: Path, *, as_json: bool) -> None:
    from orchestrator.cli.terminal.half_blocks import can_show, print_pictures

    if as_json:
        import json
        from dataclasses import asdict

        whole = {
            "trial_id": trial_id,
            "measurement_id": measurement_id,
            "output": str(target),
            **asdict(sheet.contents),
        }
        say(json.dumps(whole, indent=2))
        return
    for place, row in enumerate(sheet.contents.rows):
        say(row.text)
        if can_show(sys.stdout):
            print_pictures(sys.stdout, _tiles(sheet, place), _OF_MANY)
    for note in sheet.contents.notes:
        say(note)
    say("made now" if measurement_id is None else f"kept by the measurement {measurement_id}")
    say(target)


def _tiles(sheet: "Sheet", place: int) -> "list[tuple[str, Image.Image]]":
    titles = ["picture", *sheet.contents.methods]
    return [(title, sheet.image.crop(box)) for title, box in zip(titles, sheet.tiles[place], strict=True)]


def _print_json(trial_id: str, told: "Explained", target: Path) -> None:
    import json

    images = [
        {
            "file": one.file,
            "predicted": one.answer,
            "likely": [{"class": name, "probability": probability} for name, probability in one.likely],
            "random_deletion": one.random_deletion,
            "random_insertion": one.random_insertion,
            "maps": [
                {"method": of.method, "reason": of.reason}
                if of.values is None
                else {
                    "method": of.method,
                    "deletion": of.deletion,
                    "insertion": of.insertion,
                    "worse_random_maps": of.worse,
                    "worth_looking_at": of.worth,
                }
                for of in one.maps
            ],
        }
        for one in told.files
    ]
    unread = [{"file": file, "reason": reason} for file, reason in told.unread]
    output = None if told.sheet is None else str(target)
    whole = {"trial_id": trial_id, "baseline": told.baseline, "output": output, "images": images, "unread": unread}
    say(json.dumps(whole, indent=2))
