"""`orch predict RESULTS TRIAL IMAGES...`: what a trial's net says of image files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from orchestrator.results.predicted import FileSaid
    from orchestrator.results.trial_net import TrialWithNet


@click.command(epilog="Example: orch predict results/demo 3fa9 seven.png scans/ --top 2")
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL)
@click.argument("images", type=PATH, nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes that are told of each.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Say the positive class where its probability is at least P (`orch results --threshold` finds one on validation),"
    " else the most probable of the others.",
)
@click.option("--data", type=PATH, help="Data folder, for what only the data set tells.  [default: ORCH_DATA]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    results: Path,
    trial: str,
    images: tuple[Path, ...],
    top: int,
    threshold: float | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Show what the net of one trial says of image files, and of the images in folders.

    TRIAL is a trial's id, or its first digits if they fit only one trial; its net has to be there (`keep_weights: best`, or
    a deployment). Images of any size and colours are brought to what the net was trained with, as the program does it with
    its data set: the same images give what the trial's row has. A file that cannot be read is named with the reason, the
    others go on, and the exit code is 2.
    """
    from orchestrator.plan.prepare import data_location
    from orchestrator.results.predicted import image_files, predicted
    from orchestrator.results.trial_net import find_trial_with_net, open_net
    from orchestrator.store.reading import results_at

    found = find_trial_with_net(results_at(results), trial)
    if found.kept.same is False:
        say("a component or the protocol has another version now: the net may say something else than it did", err=True)
    net = open_net(found, data_location(data, None))
    said = list(predicted(found, net, image_files(images), top, threshold))
    if as_json:
        _print_json(found, net.classes, said)
    else:
        _print_table([one for one in said if one.unread is None])
    unread = [one for one in said if one.unread is not None]
    for one in unread:
        say(f"{one.file}: {one.unread}", err=True)
    if unread:
        say(f"{len(unread):,} of {len(said):,} could not be read", err=True)
    return 2 if unread else 0


def _print_table(said: "Sequence[FileSaid]") -> None:
    import pyarrow as pa

    from orchestrator.cli.terminal.listing import print_listing

    if not said:
        return
    columns: dict[str, list[object]] = {"file": [one.file for one in said]}
    if said[0].label is None:
        for number in range(len(said[0].numbers)):
            name = "predicted" if len(said[0].numbers) == 1 else f"predicted_{number}"
            columns[name] = [one.numbers[number] for one in said]
    else:
        columns["predicted"] = [one.label for one in said]
        columns["probability"] = [dict(one.likely).get(one.label or "") for one in said]
        if len(said[0].likely) > 1:
            columns["next"] = [_others(one) for one in said]
    print_listing(pa.table(columns), chosen=True)


def _others(said: "FileSaid") -> str:
    return ", ".join(f"{name} {probability:.4f}" for name, probability in said.likely if name != said.label)


def _print_json(found: "TrialWithNet", classes: Sequence[str], said: "Sequence[FileSaid]") -> None:
    import json

    images: list[dict[str, object]] = []
    for one in said:
        if one.unread is None:
            likely = [{"class": name, "probability": probability} for name, probability in one.likely]
            answer = {"predicted": one.label, "likely": likely} if classes else {"predicted": list(one.numbers)}
            images.append({"file": one.file, **answer})
    unread = [{"file": one.file, "reason": one.unread} for one in said if one.unread is not None]
    whole = {"trial_id": found.trial_id, "classes": list(classes), "images": images, "unread": unread}
    say(json.dumps(whole, indent=2))
