"""What a process pays for once, before its first trial: imports that torch puts off until they are used.

They take seconds and some 200 MB, which would otherwise stand in the first trial's times and memory.
"""

import torch


def warm_up() -> None:
    """Import what a trial will need. Takes some seconds the first time, nothing after that."""
    import trainables.training.trial  # noqa: F401 - what is handed to a slot imports it with its first trial

    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.SGD([parameter]).step()  # the first optimizer of a process imports torch._dynamo
