"""Serve ``cage.wallet.v1.WalletService``."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from cage.app.round import RoundApp
from cage.app.wallet import WalletApp
from cage.core.errors import CageError, Reason
from cage.core.registry import ApiKey
from cage.core.session import Authenticated, session_id
from cage.core.wallet import Kind
from cage.rpc.batch import Batch
from cage.rpc.convert import fill_balance, fill_round_view, fill_time, to_transaction
from cage.rpc.interceptor import Call
from cage.rpc.operation import OPERATIONS, Executor
from cage.rpc.registry import needs_session, to_rules
from cage.rpc.stream import Stream
from cage.rpc.wallet_feeds import WalletFeeds
from cage.wallet.v1 import wallet_pb2
from cage.wallet.v1 import wallet_service_pb2 as pb


class Authenticator(Protocol):
    """Exchange launch tokens for sessions; ``app.session.SessionApp`` does."""

    async def authenticate(
        self, key: ApiKey, launch_token: str, rotate: bool, timeout_s: float | None
    ) -> Authenticated:
        """Open or continue a game session."""
        ...


def _single(name: str) -> "Callable[[WalletServicer, Any, Call], Awaitable[Any]]":
    """Return the rpc that executes one operation as a call of its own."""
    operation = OPERATIONS[name]

    async def execute(self: "WalletServicer", request: Any, call: Call) -> Any:
        return await self.executor.execute(
            operation, request, key_id=call.key.key_id, timeout_s=call.timeout_s
        )

    return execute


class WalletServicer:
    """Answer studios and aggregators."""

    JUDGED = frozenset(
        {
            "GetBalance",
            "Bet",
            "Win",
            "Play",
            "Rollback",
            "Reinstate",
            "CloseRound",
            "Award",
            "Adjust",
            "Reserve",
            "Capture",
            "Release",
        }
    )

    def __init__(
        self,
        wallet: WalletApp,
        session: Authenticator,
        executor: Executor,
        rounds: RoundApp,
        told: WalletFeeds,
    ) -> None:
        self._wallet = wallet
        self._session = session
        self.executor = executor
        self._rounds = rounds
        self._told = told
        self._streams: set[Stream] = set()

    async def Authenticate(
        self, request: pb.AuthenticateRequest, call: Call
    ) -> pb.AuthenticateResponse:
        """Exchange a launch token for a session."""
        found = await self._session.authenticate(
            call.key, request.launch_token, request.rotate, call.timeout_s
        )
        return _to_session(found)

    GetBalance = _single("get_balance")
    Bet = _single("bet")
    Win = _single("win")
    Play = _single("play")
    Rollback = _single("rollback")
    Reinstate = _single("reinstate")
    CloseRound = _single("close_round")
    Award = _single("award")
    Adjust = _single("adjust")
    Reserve = _single("reserve")
    Capture = _single("capture")
    Release = _single("release")

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, call: Call
    ) -> pb.GetTransactionResponse:
        """Read one transaction."""
        view = await self._wallet.get_transaction(
            call.key,
            player_id=request.player_id,
            transaction_id=request.transaction_id,
            kind=Kind(request.kind),
        )
        transaction = to_transaction(view, self._wallet.registry)
        return pb.GetTransactionResponse(transaction=transaction)

    async def GetRound(
        self, request: pb.GetRoundRequest, call: Call
    ) -> pb.GetRoundResponse:
        """Read one round."""
        found = await self._rounds.get_round(
            call.key,
            player_id=request.player_id,
            game_id=request.game_id,
            round_id=request.round_id,
        )
        response = pb.GetRoundResponse()
        fill_round_view(response.round, found, self._wallet.registry)
        return response

    async def ListUnfinishedRounds(
        self, request: pb.ListUnfinishedRoundsRequest, call: Call
    ) -> pb.ListUnfinishedRoundsResponse:
        """Read one page of unfinished rounds."""
        page = await self._rounds.list_unfinished(
            call.key,
            integration_id=request.integration_id,
            min_age_us=request.min_age.ToMicroseconds(),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        response = pb.ListUnfinishedRoundsResponse(next_page_token=page.next_page_token)
        for view in page.items:
            fill_round_view(response.rounds.add(), view, self._wallet.registry)
        return response

    async def ListTransactions(
        self, request: pb.ListTransactionsRequest, call: Call
    ) -> pb.ListTransactionsResponse:
        """Read one page of a player's transactions."""
        page = await self._wallet.list_transactions(
            call.key,
            player_id=request.player_id,
            game_id=request.game_id,
            round_id=request.round_id,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        registry = self._wallet.registry
        return pb.ListTransactionsResponse(
            transactions=[to_transaction(view, registry) for view in page.items],
            next_page_token=page.next_page_token,
        )

    async def ExportTransactions(
        self, request: pb.ExportTransactionsRequest, call: Call
    ) -> None:
        """Export transactions of a range of time."""
        await self._told.export_transactions(request, call)

    async def ExportRounds(self, request: pb.ExportRoundsRequest, call: Call) -> None:
        """Export rounds of a range of time."""
        await self._told.export_rounds(request, call)

    async def WatchBalance(self, request: pb.WatchBalanceRequest, call: Call) -> None:
        """Tell the balance now, and each one that follows."""
        await self._told.watch_balance(request, call)

    async def StreamExecute(self, call: Call) -> None:
        """Execute operations as they arrive."""
        stream = Stream(call, self.executor)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    async def BatchExecute(
        self, request: pb.BatchExecuteRequest, call: Call
    ) -> pb.BatchExecuteResponse:
        """Execute a list of operations, each with a result of its own."""
        return await Batch(self.executor).run(request, call)

    def end_streams(self) -> None:
        """Let every open stream answer what it took and end with SHUTTING_DOWN."""
        for stream in tuple(self._streams):
            stream.end(CageError(Reason.SHUTTING_DOWN))


def _to_session(found: Authenticated) -> pb.AuthenticateResponse:
    gate, profile = found.gate, found.profile
    response = pb.AuthenticateResponse(
        player_id=gate.player_id,
        display_name=profile.display_name,
        brand_id=found.brand_id,
        country_code=profile.country_code,
        jurisdiction=gate.jurisdiction,
        language_code=gate.language_code,
        currency_code=found.currency.currency_code,
        scale=found.currency.scale,
        game_id=found.game.game_id,
        session_token=found.session_token,
        is_test=bool(gate.is_test),
        session_id=session_id(found.session),
        session_scope=(
            wallet_pb2.SESSION_SCOPE_STUDIO
            if found.session.studio_no
            else wallet_pb2.SESSION_SCOPE_GAME
        ),
        policies=wallet_pb2.Policies(
            bet_needs_session=needs_session(found.rules), rules=to_rules(found.rules)
        ),
    )
    fill_balance(response.balance, found.balance)
    fill_time(response.expire_time, found.expire_time_us)
    return response
