"""Threads that wait for Ray. Imports no ray."""

import threading
import time


class RayThread(threading.Thread):
    """Whose target calls Ray and waits for what it answers.

    Ray must not be shut down under one: it then ends this process with a code of its own (seen: 1, and a segmentation
    fault).
    """


def ray_is_waited_for(patience: float = 0.0) -> bool:
    """Whether such a thread is still there after so many seconds."""
    ends = time.monotonic() + patience
    waiting = [thread for thread in threading.enumerate() if isinstance(thread, RayThread)]
    for thread in waiting:
        thread.join(max(0.0, ends - time.monotonic()))
    return any(thread.is_alive() for thread in waiting)
