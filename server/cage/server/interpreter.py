"""Set the interpreter up for one loop that serves, and threads that wait for it."""

import gc
import sys

# The loop shares one interpreter with the threads that wait for the disk and that
# read: at the default of 5 ms each of them would wait long for its turn.
SWITCH_INTERVAL_S = 0.0001
# What is collected is young. At 20,000 objects a collection took 15 ms in a call.
GC_THRESHOLDS = (2_000, 50, 100)


def hand_over_fast() -> None:
    """Let threads take turns at a short interval."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def keep_what_lives() -> None:
    """Take what lives now out of the collector's sight, and let it look less often.

    What lives once a server is ready lives to its end, and calls leave no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
