"""Assemble the server, start it, and drain it."""

import asyncio
import secrets

import grpc

from cage.admin.v1 import admin_service_pb2
from cage.app.admin import AdminApp
from cage.app.cashier import CashierApp
from cage.app.kyc import KycApp
from cage.app.limit import LimitApp
from cage.app.player import PlayerApp
from cage.app.ports import BatchStats
from cage.app.session import SessionApp
from cage.app.wallet import WalletApp
from cage.cashier.v1 import cashier_service_pb2
from cage.core.errors import CageError, Reason
from cage.event.v1 import event_service_pb2
from cage.player.v1 import (
    kyc_service_pb2,
    player_service_pb2,
    responsible_gaming_service_pb2,
    session_service_pb2,
)
from cage.rpc.admin import AdminServicer
from cage.rpc.cashier import CashierServicer
from cage.rpc.health import Health
from cage.rpc.interceptor import Guard
from cage.rpc.kyc import KycServicer
from cage.rpc.meter import Meter
from cage.rpc.operation import Executor
from cage.rpc.player import PlayerServicer
from cage.rpc.reflection import register_reflection
from cage.rpc.responsible_gaming import ResponsibleGamingServicer
from cage.rpc.session import SessionServicer
from cage.rpc.wallet import WalletServicer
from cage.server.config import Config
from cage.server.journal import end, follow, now_us
from cage.server.listen import (
    bind_grpc,
    bind_metrics,
    guard_settings,
    server_options,
)
from cage.server.metrics import BatchMeter, Exporter, MetricsServer, ProcessMetrics
from cage.storage import open_store
from cage.wallet.v1 import wallet_service_pb2

# How long calls that are on their way are refused by name before nobody listens.
_REFUSE_S = 0.25


class Server:
    """Hold one server: assembled, started, drained, each once and in that order.

    It has to be made on its event loop. ``address`` and ``metrics_address`` are known
    once it has started.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.address = self.metrics_address = ""

        meter, batches = Meter(), BatchMeter()

        def observe(stats: BatchStats) -> None:
            batches.observe(stats)
            self.journal.tail.wake()

        self.store = store = open_store(
            config.database,
            capacity=config.queue_capacity,
            lanes=config.lanes,
            wal_bytes=config.wal_bytes,
            observe=observe,
            watch=self._watch,
        )
        writer, reads, draw = store.writer, store.reads, secrets.token_bytes

        wallet = WalletApp(writer=writer, reads=reads)
        session = SessionApp(
            writer=writer,
            random_bytes=draw,
            launch_token_life_s=config.launch_token_life_s,
            session_life_s=config.session_life_s,
        )
        self.player = PlayerApp(
            writer=writer, reads=reads, now_us=now_us, random_bytes=draw
        )
        self.kyc = KycApp(writer=writer)
        self.cashier = CashierApp(writer=writer, reads=reads)
        self.admin = AdminApp(writer=writer, reads=reads, random_bytes=draw)
        self.journal = journal = follow(store, config)

        self._guard = Guard(writer, meter=meter, settings=guard_settings(config))
        executor = Executor(
            wallet, meter=meter, fail=self._guard.fail, rate=self._guard.rate
        )
        self._wallet_servicer = WalletServicer(
            wallet, session, executor, journal.rounds, journal.wallet_feeds
        )
        self._grpc = grpc.aio.server(
            options=server_options(is_shared=config.workers > 1)
        )
        names = [
            self._guard.register(self._grpc, module.DESCRIPTOR, servicer)
            for module, servicer in (
                (wallet_service_pb2, self._wallet_servicer),
                (player_service_pb2, PlayerServicer(self.player)),
                (session_service_pb2, SessionServicer(session)),
                (kyc_service_pb2, KycServicer(self.kyc)),
                (
                    responsible_gaming_service_pb2,
                    ResponsibleGamingServicer(LimitApp(writer=writer)),
                ),
                (cashier_service_pb2, CashierServicer(self.cashier)),
                (admin_service_pb2, AdminServicer(self.admin)),
                (event_service_pb2, journal.event_servicer),
            )
        ]
        self._health = Health(names)
        self._health.register(self._grpc)
        if config.reflection:
            register_reflection(self._grpc, names)
        self._sweeps: asyncio.Task[None] | None = None
        exporter = Exporter(meter, batches, writer.queue_depth, journal.sweep_counts)
        self._metrics = MetricsServer(ProcessMetrics(exporter).render)

    def _watch(self, is_available: bool) -> None:
        """Let probes hear whether the database can be used."""
        if self.address:
            self._told = asyncio.create_task(
                self._health.set_serving(is_serving=is_available)
            )

    async def open(self) -> None:
        """Start the writer: use cases work, and nobody is listened to yet."""
        await self.store.start(asyncio.get_running_loop())
        if self.config.round_sweep_s:
            self._sweeps = asyncio.create_task(self.journal.sweeper.run())
        self.journal.reserves.start()

    async def listen(self) -> None:
        """Take calls. Raises ListenError when an address cannot be had."""
        self.address = bind_grpc(self._grpc, self.config)
        await self._grpc.start()
        self.metrics_address = await bind_metrics(self._metrics, self.config)
        await self._health.set_serving()

    async def drain(self) -> None:
        """Take no more calls, finish those that run, commit what waits, close."""
        if self.address:
            await self._health.set_draining()
            await asyncio.sleep(self.config.drain_delay_s)
            self._guard.is_draining = True
            self._wallet_servicer.end_streams()
            self.journal.feeds.end(CageError(Reason.SHUTTING_DOWN))
            # Once it stops, gRPC cancels what has arrived and not begun: no caller
            # would learn why.
            await asyncio.sleep(_REFUSE_S)
            await self._grpc.stop(self.config.drain_grace_s)
        await end(self._sweeps)
        await self.journal.reserves.stop()
        await self.store.drain()
        await self._metrics.stop()
