"""Turn signals into events of the loop."""

import asyncio
import signal

# Signals that come so close together are one.
_SAME_SIGNAL_S = 1.0


def stop_on_signal() -> asyncio.Event:
    """Return an event that the first signal sets; a later one ends the process.

    Who signals a process group whose leader forwards signals, as make does, signals
    twice at once and means it once.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def give_up() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            loop.call_later(_SAME_SIGNAL_S, give_up)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    return stopped


def renew_on_signal() -> asyncio.Event:
    """Return an event that every SIGHUP sets."""
    renewed = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renewed.set)
    return renewed
