"""W&B: what its process does, started as `python -m orchestrator.reports.wandb RESULTS --help`."""
