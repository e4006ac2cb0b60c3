"""Run several workers on one address and one PostgreSQL, and keep them running.

The kernel spreads connections over the workers (SO_REUSEPORT). Any of them commits
for any player, because the lane in the database owns the order, so a worker may come
and go at any time and nothing has to be handed over.
"""

import asyncio
import socket
import time

import structlog

from cage.server.config import Config, split_address
from cage.server.listen import ListenError, bind_metrics, join_address
from cage.server.metrics import MetricsServer
from cage.server.ready import Ready
from cage.server.totals import Totals
from cage.server.worker import Worker, WorkerError, start_worker

BACKOFF_MIN_S = 0.1
BACKOFF_MAX_S = 10.0
# A worker that lived so long has started well: the next start does not wait.
STEADY_S = 30.0
# How many starts in a row may fail while no other worker listens.
FAILURES_MAX = 5

_log = structlog.get_logger("cage.server")


class Supervisor:
    """Hold the workers of one server: started, kept, renewed, drained."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._workers: list[Worker | None] = [None] * config.workers
        # Whoever starts a worker in a place, after a death or anew, is alone there.
        self._places = [asyncio.Lock() for _ in self._workers]
        self._totals = Totals()
        self._failures = 0
        self._metrics = MetricsServer(self._totals.render)
        self._address: socket.socket | None = None

    def _listening(self) -> list[Worker]:
        return [worker for worker in self._workers if worker is not None]

    async def start(self, *, is_demo: bool) -> Ready:
        """Start all workers and return where they listen.

        The first one is alone: it makes a new database and the demo's data. Raises
        ListenError or WorkerError.
        """
        self._address, listen = reserve_address(self._config.listen)
        metrics_address = await bind_metrics(self._metrics, self._config)
        metrics_listen = "127.0.0.1:0" if metrics_address else ""
        self._config = self._config.model_copy(
            update={"listen": listen, "metrics_listen": metrics_listen}
        )
        first = await self._start(0, is_demo=is_demo)
        others = (self._start(number) for number in range(1, len(self._workers)))
        started = await asyncio.gather(*others, return_exceptions=True)
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome
        return Ready(
            address=listen, metrics_address=metrics_address, keys=first.ready.keys
        )

    async def _start(self, number: int, *, is_demo: bool = False) -> Worker:
        worker = await start_worker(self._config, number, is_demo=is_demo)
        self._workers[number] = worker
        self._totals.begin(worker)
        _log.info("worker listens", worker=number, pid=worker.process.pid)
        return worker

    async def run(self, stopped: asyncio.Event, renewed: asyncio.Event) -> None:
        """Keep the workers running until ``stopped``. Raises WorkerError."""
        keepers = [
            asyncio.create_task(self._keep(number))
            for number in range(len(self._workers))
        ]
        tasks = {
            *keepers,
            asyncio.create_task(stopped.wait()),
            asyncio.create_task(self._renew_on(renewed)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, number: int) -> None:
        """Start the worker of a place again whenever it dies. Raises WorkerError."""
        backoff_s = BACKOFF_MIN_S
        while True:
            worker = self._workers[number]
            if worker is not None:
                start_time = time.monotonic()
                code = await worker.process.wait()
                if self._workers[number] is not worker:
                    continue  # Another one took its place.
                self._workers[number] = None
                self._totals.end(worker)
                _log.error(
                    "worker died", worker=number, pid=worker.process.pid, code=code
                )
                if time.monotonic() - start_time >= STEADY_S:
                    backoff_s = BACKOFF_MIN_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
            await self._start_again(number)

    async def _start_again(self, number: int) -> None:
        """Start a worker where there is none. Raises WorkerError for the last one."""
        async with self._places[number]:
            if self._workers[number] is not None:
                return
            try:
                await self._start(number)
            except WorkerError as error:
                _log.error("worker not started", error=str(error))
                self._failures += 1
                if self._failures >= FAILURES_MAX and not self._listening():
                    raise
            else:
                self._totals.restarts += 1
                self._failures = 0

    async def _renew_on(self, renewed: asyncio.Event) -> None:
        while True:
            await renewed.wait()
            renewed.clear()
            await self._renew()

    async def _renew(self) -> None:
        """Replace the workers one by one, each when its successor listens."""
        for number in range(len(self._workers)):
            async with self._places[number]:
                old = self._workers[number]
                try:
                    await self._start(number)
                except WorkerError as error:
                    # Those that run go on: it is the new program that does not.
                    _log.error("workers not renewed", error=str(error))
                    return
                self._totals.restarts += 1
                if old is not None:
                    await self._retire(old)
        _log.info("workers renewed")

    async def _retire(self, worker: Worker) -> None:
        await self._totals.look(worker)
        await worker.end(self._config)
        self._totals.end(worker)

    async def drain(self) -> None:
        """Drain the workers one by one; the others take what it no longer takes."""
        for number, worker in enumerate(self._workers):
            if worker is not None:
                self._workers[number] = None
                await self._retire(worker)
                _log.info("worker drained", worker=number)
        await self._metrics.stop()
        if self._address is not None:
            self._address.close()


def reserve_address(listen: str) -> tuple[socket.socket, str]:
    """Bind an address that workers will share; return it with the port it got.

    Nobody is answered there, since it never listens. Raises ListenError when somebody
    else does.
    """
    host, port = split_address(listen)
    try:
        family, kind, _, _, name = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if port:
            # Another server may share its port, also with this one, and would then
            # get half of the calls.
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(name)
                probe.listen()
        held = socket.socket(family, kind)
    except OSError as exc:
        raise ListenError(f"cannot listen on {listen}: {exc}") from exc
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(name)
    except OSError as exc:
        held.close()
        raise ListenError(f"cannot listen on {listen}: {exc}") from exc
    return held, join_address(host, held.getsockname()[1])
