"""Kept weights as W&B artifacts. Every call may raise whatever the SDK's transport raises."""

from typing import Final

import wandb

from orchestrator.reports.wandb.attachment import Model, Origin, as_json

BEST: Final = "best"
_TYPE: Final = "model"


def log_model(tracked: "wandb.Run", model: Model, seconds: float) -> str:
    """Weights that W&B has already, by their content, become no second version. Returns when W&B has confirmed them.

    seconds: that W&B is given.
    """
    made = wandb.Artifact(model.collection, _TYPE, metadata=model.about)
    # read where they lie: nobody changes weights of a trial that has ended
    made.add_file(str(model.weights), name="weights.safetensors", policy="immutable", skip_cache=True)
    logged = tracked.log_artifact(made).wait(round(seconds))
    return str(logged.name)


def use_origin(tracked: "wandb.Run", origin: Origin) -> None:
    """Say what the weights were before: an artifact of the origin's name and digest, for weights are not sent twice."""
    made = wandb.Artifact(origin.name, _TYPE, metadata={"content": origin.content})
    with made.new_file("origin.json") as file:
        file.write(as_json(origin))
    tracked.use_artifact(made)


def crown(api: "wandb.Api", version: str) -> None:
    """Within its collection, W&B takes the alias from whichever version has it."""
    found = api.artifact(version, type=_TYPE)
    if BEST not in found.aliases:
        found.aliases.append(BEST)
        found.save()
