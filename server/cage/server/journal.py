"""Assemble what follows the journal: the tail, its readers, and the sweeper."""

import asyncio
import time
from dataclasses import dataclass

from cage.app.event import EventApp
from cage.app.export import ExportApp
from cage.app.reader import JournalReader
from cage.app.reserve import ReserveSweeper
from cage.app.round import RoundApp
from cage.app.sweep import RoundSweeper, SweepCounts
from cage.app.tail import Tail
from cage.app.watch import WatchApp
from cage.rpc.event import EventServicer
from cage.rpc.feed import Feeds
from cage.rpc.wallet_feeds import WalletFeeds
from cage.server.config import Config
from cage.server.metrics import ReserveCounts
from cage.server.sweep import SweepLoop
from cage.storage import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Hold what follows the journal, and the servicers that tell of it."""

    tail: Tail
    feeds: Feeds
    rounds: RoundApp
    sweeper: RoundSweeper
    reserves: SweepLoop
    wallet_feeds: WalletFeeds
    event_servicer: EventServicer

    @property
    def sweep_counts(self) -> tuple[SweepCounts, ReserveCounts]:
        """Return what the sweepers count."""
        return self.sweeper.counts, self.reserves.counts


def follow(store: Store, config: Config) -> Following:
    """Assemble what follows the journal of a store."""
    writer, reads, feeds = store.writer, store.reads, Feeds()
    tail = Tail(writer=writer, reads=reads, poll_s=config.journal_poll_s)
    reader = JournalReader(
        writer=writer,
        reads=reads,
        journal=reads,
        tail=tail,
        clock=time.monotonic,
        now_us=now_us,
    )
    return Following(
        tail=tail,
        feeds=feeds,
        rounds=RoundApp(writer=writer, reads=reads, rounds=reads, now_us=now_us),
        sweeper=RoundSweeper(
            writer=writer, rounds=reads, now_us=now_us, interval_s=config.round_sweep_s
        ),
        reserves=SweepLoop(
            ReserveSweeper(writer=writer, reads=reads, now_us=now_us),
            every_s=config.reserve_sweep_s,
        ),
        wallet_feeds=WalletFeeds(ExportApp(reader), WatchApp(reader), feeds),
        event_servicer=EventServicer(EventApp(reader), feeds),
    )


async def end(task: "asyncio.Task[None] | None") -> None:
    """End a task that runs for ever, if there is one."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


def now_us() -> int:
    """Return the wall clock in microseconds since 1970."""
    return time.time_ns() // 1_000
