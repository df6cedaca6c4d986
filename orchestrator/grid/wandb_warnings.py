"""What the section `wandb` asks for and cannot have: each is allowed, and nothing would come of it."""

from collections.abc import Iterator, Sequence

from orchestrator.grid import nodes
from orchestrator.grid.nodes import At, Node, plain
from orchestrator.grid.rules import Override
from orchestrator.grid.settings import Wandb
from trainables.protocol import Protocol


def idle_keys(
    node: Node | None, wandb: Wandb, protocol: Protocol, overrides: Sequence[Override]
) -> Iterator[tuple[At, str]]:
    """Where such a key stands, and why it comes to nothing."""
    if not isinstance(node, nodes.Mapping):
        return
    asked = {"live": wandb.live == "on", "artifacts": wandb.artifacts == "best", "alert": wandb.alert != "none"}
    for key in (key for key, is_asked in asked.items() if is_asked):
        at, value = node.entries[key].value.at, getattr(wandb, key)
        if key == "live" and wandb.mode in ("offline", "disabled"):  # the others come with `orch wandb push`
            yield at, f"wandb.live: on comes to nothing with wandb.mode: {wandb.mode}, which sends nothing"
        elif wandb.runs == "cells":
            yield at, f"wandb.{key}: {value} comes to nothing with wandb.runs: cells, which is for trials"
        elif key == "artifacts" and not _keeps_weights(protocol, overrides):
            yield at, "wandb.artifacts: best sends the weights that trials keep; set protocol.keep_weights: best too"


def _keeps_weights(protocol: Protocol, overrides: Sequence[Override]) -> bool:
    """Whether any trial may keep them."""
    settings = [setting for override in overrides for setting in override.settings.get("protocol", ())]
    return protocol.keep_weights == "best" or any(
        path == ["keep_weights"] and plain(entry.value) == "best" for path, entry in settings
    )
