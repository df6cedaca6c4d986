"""`orch export RESULTS TRIAL FILE`: a trial's net as a file for other programs."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import FILE, PATH


@click.command(
    epilog="Example: orch export results/demo 3fa9 digits.onnx --deployment '{name: int8, runtime: onnxruntime}'"
)
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL)
@click.argument("file", type=FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torch_export"]),
    help="[default: what the file's name ends with: .onnx or .pt2]",
)
@click.option(
    "--deployment",
    "level",
    metavar="LEVEL",
    help="Make this of the net first, as a grid's axis `deployment` has it: int8, or '{name: prune, amount: 0.9}'.",
)
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option("--force", is_flag=True, help="Write over what is there.")
def command(
    results: Path, trial: str, file: Path, form: str | None, level: str | None, data: Path | None, force: bool
) -> int:
    """Write the net of one trial as a file for other programs, with its preprocessing inside: it takes pixels of 0 to 255.

    TRIAL is a trial's id, or its first digits if they fit only one trial; its net has to be there (`keep_weights: best`, or
    a deployment). Beside FILE, a README says how it is called. The file is compared with the net on the whole test split,
    or on random pixels where its data set is not on this machine; if it is to give the same and does not, nothing is
    written. No image of the data is in the file.
    """
    from orchestrator.plan.prepare import data_location
    from orchestrator.results.export_readme import table
    from orchestrator.results.exported import export, target
    from orchestrator.results.trial_net import find_trial_with_net
    from orchestrator.store.reading import results_at

    paths = results_at(results)
    to = target(file, form, level, paths.root, force=force)
    found = find_trial_with_net(paths, trial)
    written = export(found, to, data_location(data, None))
    say(to.file)
    say(to.readme)
    say(f"beside the net that was trained, on {written.on}:")
    say("\n".join(table(written.parities)))
    return 0
