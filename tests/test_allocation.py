"""Memory that training gives back is kept: a large tensor that is made again and again asks for no page."""

import mmap
import subprocess
import sys

import pytest

COUNTING = """
import resource, threading, torch
from stages.lib.allocation import keep_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    for _ in range(TIMES):
        torch.zeros(SIZE)

def count():
    work()  # torch's own threads, which begin here, lay small pieces where a tensor has just lain
    before = faults()
    work()
    print(faults() - before)

KEEP
work()
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""
TIMES = 20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only glibc hands memory back so soon")
@pytest.mark.parametrize("size", [12_000_000, 30_000_000])
def test_a_large_tensor_that_is_made_again_asks_for_no_page(size: int) -> None:
    """In float32: 48 MB, and 120, which is more than a thread's own heap may hold."""

    def counted(first: str) -> int:
        code = COUNTING.replace("KEEP", first).replace("TIMES", str(TIMES)).replace("SIZE", str(size))
        return int(subprocess.check_output((sys.executable, "-c", code), text=True))

    pages = TIMES * size * 4 // mmap.PAGESIZE
    # a small piece of another thread's may come to lie in between: once, not at every turn
    assert counted("keep_memory()") < pages / 4
    assert counted("") > pages / 2
