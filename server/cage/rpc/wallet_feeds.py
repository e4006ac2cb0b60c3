"""Serve the server streams of ``cage.wallet.v1.WalletService``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.timestamp_pb2 import Timestamp

from cage.app.export import ExportApp, ExportQuery
from cage.app.watch import WatchApp
from cage.core.wallet import GetBalance
from cage.rpc.convert import (
    fill_balance,
    fill_round_view,
    fill_transaction,
    to_microseconds,
)
from cage.rpc.feed import Feeds
from cage.rpc.interceptor import Call
from cage.wallet.v1 import wallet_service_pb2 as pb


class WalletFeeds:
    """Tell exports and balances; the guard has judged key, role and form."""

    def __init__(self, export: ExportApp, watch: WatchApp, feeds: Feeds) -> None:
        self._export = export
        self._watch = watch
        self._feeds = feeds

    async def export_transactions(
        self, request: pb.ExportTransactionsRequest, call: Call
    ) -> None:
        """Write the transactions of a range of time."""
        await self._feeds.run(call, self._transactions(request, call))

    async def export_rounds(self, request: pb.ExportRoundsRequest, call: Call) -> None:
        """Write the rounds of a range of time."""
        await self._feeds.run(call, self._rounds(request, call))

    async def watch_balance(self, request: pb.WatchBalanceRequest, call: Call) -> None:
        """Write the balance now, and each one that follows."""
        await self._feeds.run(call, self._balances(request, call))

    async def _transactions(
        self, request: pb.ExportTransactionsRequest, call: Call
    ) -> AsyncGenerator[pb.ExportTransactionsResponse, None]:
        frames = self._export.transactions(
            call.key, _query(request), timeout_s=call.timeout_s
        )
        async with aclosing(frames):
            async for frame in frames:
                response = pb.ExportTransactionsResponse(cursor=frame.cursor)
                for view in frame.rows:
                    fill_transaction(
                        response.transactions.add(), view, self._export.registry
                    )
                yield response

    async def _rounds(
        self, request: pb.ExportRoundsRequest, call: Call
    ) -> AsyncGenerator[pb.ExportRoundsResponse, None]:
        frames = self._export.rounds(
            call.key, _query(request), timeout_s=call.timeout_s
        )
        async with aclosing(frames):
            async for frame in frames:
                response = pb.ExportRoundsResponse(cursor=frame.cursor)
                for view in frame.rows:
                    fill_round_view(response.rounds.add(), view, self._export.registry)
                yield response

    async def _balances(
        self, request: pb.WatchBalanceRequest, call: Call
    ) -> AsyncGenerator[pb.WatchBalanceResponse, None]:
        query = GetBalance(
            key_id=call.key.key_id,
            player_id=request.player_id,
            game_id=request.game_id,
            currency_code=request.currency_code,
        )
        balances = self._watch.watch(call.key, query, timeout_s=call.timeout_s)
        async with aclosing(balances):
            async for balance in balances:
                response = pb.WatchBalanceResponse()
                fill_balance(response.balance, balance)
                yield response


def _query(
    request: pb.ExportTransactionsRequest | pb.ExportRoundsRequest,
) -> ExportQuery:
    has_start, has_end = request.HasField("start_time"), request.HasField("end_time")
    return ExportQuery(
        integration_id=request.integration_id,
        start_time_us=_time(request.start_time, is_sent=has_start),
        end_time_us=_time(request.end_time, is_sent=has_end),
        cursor=request.cursor,
    )


def _time(time: Timestamp, *, is_sent: bool) -> int | None:
    return to_microseconds(time) if is_sent else None
