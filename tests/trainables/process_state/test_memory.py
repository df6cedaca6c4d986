"""Freed memory: counted are the pages that a process is given, in a process of its own with nothing else on its heap."""

import subprocess
import sys
from typing import Final

import pytest

from trainables.process_state.memory import _glibc

_PAGES_OF_A_PASS: Final = """
import resource
from trainables.process_state.memory import freed_memory_kept

def given():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def one_pass():
    held = [bytearray(3_000_000) for _ in range(10)]
    for each in held:
        each[::4096] = each[1::4096]

def resident():
    return int(open("/proc/self/statm").read().split()[1])

def given_in_five():
    one_pass()
    before = given()
    for _ in range(5):
        one_pass()
    return given() - before

print(given_in_five())
with freed_memory_kept():
    print(given_in_five())
    held = resident()
print(held - resident())
"""
_PAGES: Final = 10 * 3_000_000 // 4096


@pytest.mark.skipif(_glibc() is None, reason="of glibc alone")
def test_a_pass_gets_no_new_pages_while_freed_memory_is_kept_which_is_given_back() -> None:
    ran = subprocess.run([sys.executable, "-c", _PAGES_OF_A_PASS], capture_output=True, text=True, check=True)
    ordinary, kept, given_back = (int(line) for line in ran.stdout.split())
    assert ordinary > 2 * _PAGES  # of five passes: without this the test would show nothing
    assert kept < _PAGES // 100
    assert given_back > _PAGES // 2
