"""Whether decoded examples fit into this machine's memory, asked before any are made."""

from math import prod

from trainables.errors import UnfitOption


def check_memory(count: int, shape: tuple[int, ...], option: str, itemsize: int = 1) -> None:
    """Raises UnfitOption, of the option that decides how large they are, where so many take more than is free.

    shape: of one example. itemsize: bytes of one number.
    """
    import psutil  # 10 ms, for those who load data

    needed, free = count * prod(shape) * itemsize, psutil.virtual_memory().available
    if needed > free:
        raise UnfitOption(
            option,
            f"{count} examples of {' x '.join(map(str, shape))} take {needed / 2**30:.1f} GiB decoded, "
            f"{free / 2**30:.1f} GiB of memory are free; give a smaller `{option}`",
        )
