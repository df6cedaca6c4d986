"""W&B: what its process does, started as `python -m orchestrator.wandb RESULTS --help`."""
