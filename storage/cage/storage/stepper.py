"""Step a coroutine by callbacks, in the very turn of the loop that ends its wait.

A task hears of its future one turn later, and a turn under load is the work of
several calls. The writer of SQLite waits for the disk, for work and for the next
turn; each of these resumes it directly.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

# Is called at the end of a wait, with the error that it ended with.
Resume = Callable[..., None]
# Begins a wait.
Begin = Callable[[Resume], object]


class Wait:
    """Wait for what begins with a call and resumes at its end."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Begin, None, None]:
        """Give the beginning to the stepper."""
        yield self._begin


class Stepper:
    """Run a coroutine whose only waits are ``Wait``, beginning in the next turn.

    ``ended`` is set when it returns, or to what it raised.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, steps: Coroutine[Any, None, None]
    ) -> None:
        self.ended: asyncio.Future[None] = loop.create_future()
        self._steps = steps
        loop.call_soon(self.resume)

    def resume(self, error: Exception | None = None) -> None:
        """Run the coroutine to its next wait."""
        try:
            if error is None:
                begin = self._steps.send(None)
            else:
                begin = self._steps.throw(error)
        except StopIteration:
            self.ended.set_result(None)
        except Exception as exc:  # noqa: BLE001 - raised where its end is awaited
            self.ended.set_exception(exc)
        else:
            begin(self.resume)
