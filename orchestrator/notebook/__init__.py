"""Results in a notebook: `orchestrator.load`."""
