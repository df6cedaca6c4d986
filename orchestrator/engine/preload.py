"""Imported by Ray's worker processes as they start, while Ray itself still comes up: what a trial will need."""

from trainables.training.warm_up import warm_up

warm_up()
