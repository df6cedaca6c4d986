"""What a process pays for once, before its first trial: the imports of all that trains.

They take seconds and some 300 MB, which would otherwise stand in the first trial's times and memory. torch's compiler is
not among them: `process_state.late_compiler`.
"""


def warm_up() -> None:
    """Import what a trial will need. Takes some seconds the first time, nothing after that."""
    import trainables.training.trial  # noqa: F401 - what is handed to a slot imports it with its first trial
