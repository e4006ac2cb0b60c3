"""Call WalletService: money between players and games."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message

from cage.client._channel import Caller
from cage.client._contract import operation_of
from cage.client._errors import CageError
from cage.client._feed import Feed
from cage.client._operations import Operations
from cage.client._pages import Pager
from cage.client._stream import Stream, answer_of
from cage.client._times import timestamp_of
from cage.type.v1.balance_pb2 import Balance
from cage.wallet.v1.wallet_pb2 import Round, Transaction, TransactionKind
from cage.wallet.v1.wallet_service_pb2 import (
    AdjustRequest,
    AdjustResponse,
    AuthenticateRequest,
    AuthenticateResponse,
    AwardRequest,
    AwardResponse,
    BatchExecuteRequest,
    BatchExecuteResponse,
    BetRequest,
    BetResponse,
    CaptureRequest,
    CaptureResponse,
    CloseRoundRequest,
    CloseRoundResponse,
    ExportRoundsRequest,
    ExportRoundsResponse,
    ExportTransactionsRequest,
    ExportTransactionsResponse,
    GetBalanceRequest,
    GetBalanceResponse,
    GetRoundRequest,
    GetRoundResponse,
    GetTransactionRequest,
    GetTransactionResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
    ListUnfinishedRoundsRequest,
    ListUnfinishedRoundsResponse,
    PlayRequest,
    PlayResponse,
    ReinstateRequest,
    ReinstateResponse,
    ReleaseRequest,
    ReleaseResponse,
    ReserveRequest,
    ReserveResponse,
    RollbackRequest,
    RollbackResponse,
    WatchBalanceRequest,
    WatchBalanceResponse,
    WinRequest,
    WinResponse,
)

_Reply = TypeVar("_Reply", bound=Message)

OperationRequest: TypeAlias = (
    BetRequest
    | WinRequest
    | PlayRequest
    | RollbackRequest
    | ReinstateRequest
    | CloseRoundRequest
    | AwardRequest
    | AdjustRequest
    | ReserveRequest
    | CaptureRequest
    | ReleaseRequest
    | GetBalanceRequest
)
OperationReply: TypeAlias = (
    BetResponse
    | WinResponse
    | PlayResponse
    | RollbackResponse
    | ReinstateResponse
    | CloseRoundResponse
    | AwardResponse
    | AdjustResponse
    | ReserveResponse
    | CaptureResponse
    | ReleaseResponse
    | GetBalanceResponse
)


class Wallet(Operations):
    """Call WalletService with a key of role GAME; reads take an OPERATOR's too."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _execute(self, request: Message, reply: type[_Reply]) -> _Reply:
        return await self._caller.call(request, reply)

    async def authenticate(
        self, *, launch_token: str, rotate: bool = False
    ) -> AuthenticateResponse:
        """Exchange a launch token for a game session and what a game needs to know.

        ``rotate`` ends the life of the session tokens given for this session before.

        Raises LaunchTokenInvalidError, LaunchTokenExpiredError, SessionEndedError,
        PlayerBlockedError, KycRequiredError, GameUnavailableError,
        MaintenanceError.
        """
        request = AuthenticateRequest(launch_token=launch_token, rotate=rotate)
        return await self._caller.call(request, AuthenticateResponse)

    async def get_transaction(
        self,
        *,
        player_id: str,
        transaction_id: str,
        kind: TransactionKind.ValueType = TransactionKind.TRANSACTION_KIND_UNSPECIFIED,
    ) -> GetTransactionResponse:
        """Read one transaction by the caller's id; ROLLBACK reads a rollback.

        Raises PlayerNotFoundError, TransactionNotFoundError.
        """
        request = GetTransactionRequest(
            player_id=player_id, transaction_id=transaction_id, kind=kind
        )
        return await self._caller.call(request, GetTransactionResponse)

    async def get_round(
        self, *, player_id: str, game_id: str, round_id: str
    ) -> GetRoundResponse:
        """Read one round with its totals.

        Raises PlayerNotFoundError, GameNotFoundError, RoundNotFoundError.
        """
        request = GetRoundRequest(
            player_id=player_id, game_id=game_id, round_id=round_id
        )
        return await self._caller.call(request, GetRoundResponse)

    def list_transactions(
        self,
        *,
        player_id: str,
        game_id: str = "",
        round_id: str = "",
        page_size: int = 0,
    ) -> Pager[Transaction, ListTransactionsResponse]:
        """List the transactions of a player, oldest commit first.

        ``page_size`` is 0 to 1,000 items; 0 leaves it to the server.

        Raises PlayerNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListTransactionsResponse:
            request = ListTransactionsRequest(
                player_id=player_id,
                game_id=game_id,
                round_id=round_id,
                page_size=page_size,
                page_token=page_token,
            )
            return await self._caller.call(request, ListTransactionsResponse)

        return Pager(fetch, lambda page: page.transactions)

    def list_unfinished_rounds(
        self,
        *,
        integration_id: str = "",
        min_age: timedelta | None = None,
        page_size: int = 0,
    ) -> Pager[Round, ListUnfinishedRoundsResponse]:
        """List the rounds that are not closed and have a bet that stands, oldest first.

        ``min_age`` keeps those that were opened so long ago or longer; ``page_size``
        is 0 to 1,000 items, 0 leaves it to the server.

        Raises IntegrationNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListUnfinishedRoundsResponse:
            request = ListUnfinishedRoundsRequest(
                integration_id=integration_id,
                page_size=page_size,
                page_token=page_token,
            )
            if min_age is not None:
                request.min_age.FromTimedelta(min_age)
            return await self._caller.call(request, ListUnfinishedRoundsResponse)

        return Pager(fetch, lambda page: page.rounds)

    def export_transactions(
        self,
        *,
        integration_id: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        cursor: str = "",
    ) -> Feed[Transaction, ExportTransactionsResponse]:
        """Export transactions in a range of commit times: ``async for row in ...``.

        It goes on by itself when the connection breaks. Its ``cursor`` is the place
        after the last whole message; an export from there holds what followed.

        Raises IntegrationNotFoundError, CursorInvalidError, when a row is waited for.
        """

        def request(place: str) -> ExportTransactionsRequest:
            return ExportTransactionsRequest(
                integration_id=integration_id,
                start_time=None if place else timestamp_of(start_time),
                end_time=timestamp_of(end_time),
                cursor=place,
            )

        return Feed(
            self._caller,
            request=request,
            items=lambda frame: frame.transactions,
            after=lambda frame: frame.cursor,
            cursor=cursor,
            attempts=self._caller.retry.attempts,
        )

    def export_rounds(
        self,
        *,
        integration_id: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        cursor: str = "",
    ) -> Feed[Round, ExportRoundsResponse]:
        """Export the rounds whose last transaction is in a range of commit times.

        It goes on by itself when the connection breaks. Its ``cursor`` is the place
        after the last whole message; an export from there holds what followed.

        Raises IntegrationNotFoundError, CursorInvalidError, when a row is waited for.
        """

        def request(place: str) -> ExportRoundsRequest:
            return ExportRoundsRequest(
                integration_id=integration_id,
                start_time=None if place else timestamp_of(start_time),
                end_time=timestamp_of(end_time),
                cursor=place,
            )

        return Feed(
            self._caller,
            request=request,
            items=lambda frame: frame.rounds,
            after=lambda frame: frame.cursor,
            cursor=cursor,
            attempts=self._caller.retry.attempts,
        )

    def watch_balance(
        self, *, player_id: str, currency_code: str, game_id: str = ""
    ) -> Feed[Balance, WatchBalanceResponse]:
        """Watch a balance: the one now, then the one after each change, without end.

        When the connection breaks it begins again by itself, with the balance then.

        Raises PlayerNotFoundError, GameNotFoundError, CurrencyNotFoundError,
        CurrencyMismatchError, KeyInvalidError, when a balance is waited for.
        """
        request = WatchBalanceRequest(
            player_id=player_id, game_id=game_id, currency_code=currency_code
        )
        return Feed(
            self._caller,
            request=lambda _: request,
            items=lambda frame: [frame.balance],
            after=lambda _: "",
        )

    def stream(self) -> Stream:
        """Make a session on StreamExecute, for ``async with``."""
        return Stream(self._caller)

    async def batch_execute(
        self, operations: Iterable[OperationRequest]
    ) -> list[OperationReply | CageError]:
        """Execute 1 to 1,000 independent operations in one call, in list order.

        Build them with ``cage.client.requests``. The result holds, in the same order,
        the reply or the error of each: a refused one is returned, not raised, and is
        not retried. Raises CageError for the call as a whole; its retries send the
        same ids.
        """
        items = list(operations)
        request = BatchExecuteRequest(operations=[operation_of(item) for item in items])
        reply = await self._caller.call(request, BatchExecuteResponse)
        if len(reply.results) != len(items):
            raise TypeError(f"{len(reply.results)} results for {len(items)} operations")
        answers = zip(reply.results, items, strict=True)
        return [answer_of(result, item) for result, item in answers]  # type: ignore[misc]
