"""What all trials of one process share, and none of them may leave otherwise than it was.

A process stays warm from trial to trial, so a default dtype, a global hook or a patched function of one would decide
the figures of those after it. `watching.ProcessState` is taken when a process is warm; after each trial it is compared,
and put back where it can be (ADR 15).

To have one more thing watched: a line in `torch_settings.SETTINGS` or `python_settings.SETTINGS`, if it has a value that
can be read and set; or else a class like those of `code`, `torch_settings` and `left_behind`, named in `watching.KINDS`.
"""
