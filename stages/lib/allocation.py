"""Memory that was given back is kept for the next tensor.

By itself glibc hands large pieces back to the system and asks for them again at every step, and the system
lays out each of their pages anew. Kept, they cost nothing. The most that a process holds is the same but for
what lies unused between pieces.
"""

import ctypes
import sys

# of mallopt(3): how much lies unused at the heap's end before it goes back, and how many pieces of memory
# stand apart from the heap
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
MOST = 2**31 - 1


def keep_memory() -> None:
    """For the rest of this process; where there is no glibc, nothing. Call it before torch has worked."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(ARENA_MAX, 1)  # else threads, of which backward is one, have heaps of 64 MB at most
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, MOST)
