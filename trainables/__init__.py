"""What a trial does: data, models, optimizers, regularizers, the training loop and the metrics.

Never imports ray, wandb or orchestrator.
"""
