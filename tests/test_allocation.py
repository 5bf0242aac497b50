"""Memory that training gives back is kept: a large tensor that is made again and again asks for no page."""

import subprocess
import sys

import pytest

COUNTING = """
import resource, threading, torch
from stages.lib.allocation import keep_memory

def work():
    for _ in range(10):
        torch.zeros(12_000_000)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

KEEP
work(), faults()
print(faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only glibc hands memory back so soon")
def test_a_large_tensor_that_is_made_again_asks_for_no_page() -> None:
    def counted(first: str) -> int:
        words = (sys.executable, "-c", COUNTING.replace("KEEP", first))
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    assert counted("keep_memory()") < 1000
    assert counted("") > 1000
