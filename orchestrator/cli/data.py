"""`orch data DATASET`: what a data set holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import console, say
from orchestrator.cli.terminal.path import FILE, PATH
from orchestrator.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from trainables.data.card import DataCard

_OF_EACH: Final = 8
"""Images of a class on the page."""
_MAX_CLASSES: Final = 100
"""Classes whose images are on the page: with more it would grow to many megabytes."""


@click.command(epilog="Example: orch data digits, or orch data ~/birds --html birds.html")
@click.argument("dataset")
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option("--html", "-o", type=FILE, help="Write a page with images to this file.")
@click.option(
    "--all",
    "whole",
    is_flag=True,
    help="Decode every image, even of a data set that is decoded during training.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(dataset: str, data: Path | None, html: Path | None, whole: bool, as_json: bool) -> None:
    """Show the card of a data set: counts, classes, duplicates, mean and spread, licence and source.

    DATASET is a name (`orch list dataset`), a folder with one folder of images for each class, a CSV file that names
    images and their labels, a Parquet file of images, or a level as in a grid: '{name: image_folder, path: birds,
    size: 64}'. It is decoded if it has not been; it has to be on this machine, since nothing is downloaded. Every
    problem with it is reported at once, with exit code 2; with `--all` these are all that a sweep under the default
    protocol would find.
    """
    from orchestrator.plan.data_card import look_at

    card, images = look_at(dataset, data, of_each=_OF_EACH if html else 0, max_classes=_MAX_CLASSES, whole=whole)
    if html is not None:
        from orchestrator.report.data_page import write_data_page

        write_data_page(card, images, html)
        say(f"wrote {html}", err=True)
    if as_json:
        say(_as_json(card))
    else:
        _print(card)


def _as_json(card: "DataCard") -> str:
    import json
    from dataclasses import asdict

    document = {**asdict(card), "examples": card.examples, "imbalance": card.imbalance}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _print(card: "DataCard") -> None:
    import sys

    from rich.text import Text

    terminal = console(sys.stdout)
    shape = " x ".join(map(str, card.shape))
    classes = f", {len(card.classes)} classes" if card.classes else ""
    terminal.print(Text(f"{card.name}: {card.examples:,} examples of {shape}{classes}, {card.task}", style="bold"))
    for about, value in (("source", card.source), ("licence", card.licence or "not stated")):
        terminal.print(Text(f"{about}: {value}"))
    if card.given:
        terminal.print(
            Text(f"read as: {', '.join(f'{name}={one_line(str(value))}' for name, value in card.given.items())}")
        )
    terminal.print(Text(f"fingerprint: {card.fingerprint}"))
    _print_splits(card, terminal)
    _print_classes(card, terminal)
    _print_duplicates(card, terminal)
    for left in card.left_out:
        terminal.print(Text(f"not read as data: {left.files:,} {left.what}, such as {left.example}"))


def _print_splits(card: "DataCard", terminal: "Console") -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("split", "examples", "repeated", "mean", "deviation"):
        table.add_column(title, justify="left" if title == "split" else "right", no_wrap=True)
    for split in card.splits:
        mean, std = (" ".join(f"{value:.4f}" for value in values) for values in (split.mean, split.std))
        table.add_row(split.name, f"{split.examples:,}", f"{split.repeated:,}", mean, std)
    terminal.print(table)
    measured = sum(split.measured for split in card.splits)
    if measured < card.examples:
        terminal.print(f"mean and standard deviation are of {measured:,} examples drawn at random")


def _print_classes(card: "DataCard", terminal: "Console") -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not card.classes:
        for number, target in enumerate(card.targets):
            terminal.print(
                f"target {number}: {target.least:.4g} to {target.greatest:.4g}, mean {target.mean:.4g}, "
                f"deviation {target.std:.4g}, quartiles {', '.join(f'{value:.4g}' for value in target.quartiles)}; "
                f"always predicting the mean has an MSE of {target.std**2:.4g}"
            )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for split in card.splits:
        table.add_column(split.name, justify="right", no_wrap=True)
    for name, *counts in zip(card.classes, *(split.classes for split in card.splits), strict=True):
        table.add_row(Text(one_line(name)), *(f"{count:,}" for count in counts))
    terminal.print(table)
    if card.imbalance is not None:
        terminal.print(f"the largest class has {card.imbalance:.3g} times the examples of the smallest")


def _print_duplicates(card: "DataCard", terminal: "Console") -> None:
    repeated = sum(split.repeated for split in card.splits)
    terminal.print(f"duplicates: {repeated:,} within a split, {card.shared:,} of train also in test")
    if card.contradictions:
        terminal.print(f"{card.contradictions:,} contents occur more than once, with different targets")
