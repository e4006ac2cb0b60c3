"""Say how long the long tests are; the environment makes them shorter or longer."""

import os

# What the server's SQLite keeps of its file in memory: 64 MiB, and a tenth about it.
PAGE_CACHE_BYTES = 71 << 20


def size(name: str, usual: int) -> int:
    """Return how much of something a test does: CAGE_TEST_SOAK_NAME, or the usual."""
    return int(os.environ.get(f"CAGE_TEST_SOAK_{name}", usual))
