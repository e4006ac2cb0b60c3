"""Call Cage from blocking code.

    with connect("127.0.0.1:7440", key=key) as client:
        reply = client.wallet.get_balance(player_id=player_id, currency_code="INR")

Every method is made from the coroutine method of its name: same arguments, same
reply, same errors, run on one background event loop. Methods are safe to call from
several threads. Not fork-safe: connect after a fork, not before.
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from cage.client import _client
from cage.client._admin import Admin
from cage.client._cashier import Cashier
from cage.client._channel import Tls
from cage.client._client import Client
from cage.client._events import Events
from cage.client._feed import Feed, Frame
from cage.client._kyc import Kyc
from cage.client._loop import BACKGROUND
from cage.client._operations import Operations
from cage.client._pages import Item, Page, Pager
from cage.client._players import Players
from cage.client._responsible_gaming import ResponsibleGaming
from cage.client._retry import RetryPolicy
from cage.client._sessions import Sessions
from cage.client._stream import Stream
from cage.client._wallet import Wallet

__all__ = [
    "SyncAdmin",
    "SyncCashier",
    "SyncClient",
    "SyncEvents",
    "SyncFeed",
    "SyncKyc",
    "SyncPager",
    "SyncPlayers",
    "SyncResponsibleGaming",
    "SyncSessions",
    "SyncStream",
    "SyncWallet",
    "connect",
]

_Async_co = TypeVar("_Async_co", covariant=True)
_Travelling_co = TypeVar("_Travelling_co", bound=Operations, covariant=True)
_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")
_Element = TypeVar("_Element")


class _Facade(Generic[_Async_co]):
    """Block for a coroutine object of the async client."""

    def __init__(self, target: _Async_co) -> None:
        self._target = target


def _blocking(
    method: Callable[Concatenate[_Async_co, _Params], Coroutine[Any, Any, _Result]],
) -> Callable[Concatenate[_Facade[_Async_co], _Params], _Result]:
    def call(
        self: _Facade[_Async_co], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        return BACKGROUND.run(method(self._target, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _paging(
    method: Callable[Concatenate[_Async_co, _Params], Pager[Item, Page]],
) -> Callable[Concatenate[_Facade[_Async_co], _Params], "SyncPager[Item, Page]"]:
    def call(
        self: _Facade[_Async_co], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> SyncPager[Item, Page]:
        return SyncPager(method(self._target, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _feeding(
    method: Callable[Concatenate[_Async_co, _Params], Feed[Item, Frame]],
) -> Callable[Concatenate[_Facade[_Async_co], _Params], "SyncFeed[Item, Frame]"]:
    def call(
        self: _Facade[_Async_co], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> SyncFeed[Item, Frame]:
        return SyncFeed(method(self._target, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _iterate(elements: AsyncIterator[_Element]) -> Iterator[_Element]:
    async def following() -> tuple[_Element, ...]:
        try:
            return (await anext(elements),)
        except StopAsyncIteration:
            return ()

    while found := BACKGROUND.run(following()):
        yield found[0]


class SyncPager(Generic[Item, Page]):
    """Iterate over all items of a list; see Pager."""

    def __init__(self, pager: Pager[Item, Page]) -> None:
        self._pager = pager

    def page(self, page_token: str = "") -> Page:
        """Fetch one page: the first, or the one that ``page_token`` names."""
        return BACKGROUND.run(self._pager.page(page_token))

    def pages(self, page_token: str = "") -> Iterator[Page]:
        """Iterate over the pages, from the one that ``page_token`` names."""
        return _iterate(self._pager.pages(page_token))

    def __iter__(self) -> Iterator[Item]:
        """Iterate over the items of all pages."""
        return _iterate(aiter(self._pager))


class SyncFeed(Generic[Item, Frame]):
    """Iterate over items as they come; see Feed."""

    def __init__(self, feed: Feed[Item, Frame]) -> None:
        self._feed = feed

    @property
    def cursor(self) -> str:
        """Name the place to go on from."""
        return self._feed.cursor

    def frames(self) -> Iterator[Frame]:
        """Iterate over the messages; see ``Feed.frames``."""
        return _iterate(self._feed.frames())

    def close(self) -> None:
        """End the feed."""
        BACKGROUND.run(self._feed.aclose())

    def __iter__(self) -> Iterator[Item]:
        """Iterate over the items, from the cursor on."""
        return _iterate(aiter(self._feed))

    def __enter__(self) -> Self:
        """Enter; the first item opens the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the feed."""
        self.close()


class _SyncOperations(_Facade[_Travelling_co]):
    """Block for the operations of a wallet or a stream."""

    get_balance = _blocking(Operations.get_balance)
    bet = _blocking(Operations.bet)
    win = _blocking(Operations.win)
    play = _blocking(Operations.play)
    rollback = _blocking(Operations.rollback)
    reinstate = _blocking(Operations.reinstate)
    close_round = _blocking(Operations.close_round)
    award = _blocking(Operations.award)
    adjust = _blocking(Operations.adjust)
    reserve = _blocking(Operations.reserve)
    capture = _blocking(Operations.capture)
    release = _blocking(Operations.release)


class SyncStream(_SyncOperations[Stream]):
    """Send operations over one stream, from as many threads as you like."""

    def __enter__(self) -> Self:
        """Enter; the first operation opens the stream."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the stream."""
        BACKGROUND.run(self._target.__aexit__(kind, error, trace))


class SyncWallet(_SyncOperations[Wallet]):
    """Block for Wallet."""

    authenticate = _blocking(Wallet.authenticate)
    get_transaction = _blocking(Wallet.get_transaction)
    get_round = _blocking(Wallet.get_round)
    list_transactions = _paging(Wallet.list_transactions)
    list_unfinished_rounds = _paging(Wallet.list_unfinished_rounds)
    export_transactions = _feeding(Wallet.export_transactions)
    export_rounds = _feeding(Wallet.export_rounds)
    watch_balance = _feeding(Wallet.watch_balance)
    batch_execute = _blocking(Wallet.batch_execute)

    def stream(self) -> SyncStream:
        """Make a session on StreamExecute, for ``with``."""
        return SyncStream(self._target.stream())


class SyncPlayers(_Facade[Players]):
    """Block for Players."""

    register_player = _blocking(Players.register_player)
    get_player = _blocking(Players.get_player)
    list_players = _paging(Players.list_players)
    set_player_status = _blocking(Players.set_player_status)
    set_player_blocks = _blocking(Players.set_player_blocks)
    open_wallet = _blocking(Players.open_wallet)


class SyncSessions(_Facade[Sessions]):
    """Block for Sessions."""

    create_launch_token = _blocking(Sessions.create_launch_token)
    end_session = _blocking(Sessions.end_session)


class SyncKyc(_Facade[Kyc]):
    """Block for Kyc."""

    record_verification = _blocking(Kyc.record_verification)


class SyncResponsibleGaming(_Facade[ResponsibleGaming]):
    """Block for ResponsibleGaming."""

    set_limit = _blocking(ResponsibleGaming.set_limit)
    remove_limit = _blocking(ResponsibleGaming.remove_limit)
    confirm_limit = _blocking(ResponsibleGaming.confirm_limit)
    list_limits = _paging(ResponsibleGaming.list_limits)


class SyncCashier(_Facade[Cashier]):
    """Block for Cashier."""

    authorize_deposit = _blocking(Cashier.authorize_deposit)
    transfer_deposit = _blocking(Cashier.transfer_deposit)
    cancel_deposit = _blocking(Cashier.cancel_deposit)
    get_payment = _blocking(Cashier.get_payment)


class SyncEvents(_Facade[Events]):
    """Block for Events."""

    subscribe = _feeding(Events.subscribe)


class SyncAdmin(_Facade[Admin]):
    """Block for Admin."""

    create_operator = _blocking(Admin.create_operator)
    update_operator = _blocking(Admin.update_operator)
    list_operators = _paging(Admin.list_operators)
    create_brand = _blocking(Admin.create_brand)
    update_brand = _blocking(Admin.update_brand)
    list_brands = _paging(Admin.list_brands)
    create_integration = _blocking(Admin.create_integration)
    update_integration = _blocking(Admin.update_integration)
    list_integrations = _paging(Admin.list_integrations)
    create_studio = _blocking(Admin.create_studio)
    update_studio = _blocking(Admin.update_studio)
    list_studios = _paging(Admin.list_studios)
    create_game = _blocking(Admin.create_game)
    update_game = _blocking(Admin.update_game)
    list_games = _paging(Admin.list_games)
    create_currency = _blocking(Admin.create_currency)
    list_currencies = _paging(Admin.list_currencies)
    create_api_key = _blocking(Admin.create_api_key)
    revoke_api_key = _blocking(Admin.revoke_api_key)
    list_api_keys = _paging(Admin.list_api_keys)
    list_audit_entries = _paging(Admin.list_audit_entries)


class SyncClient(_Facade[Client]):
    """Call Cage from blocking code; made by ``connect``, closed by ``with``."""

    def __init__(self, client: Client, *, owns_loop: bool = True) -> None:
        super().__init__(client)
        self._owns_loop = owns_loop
        if owns_loop:
            BACKGROUND.acquire()
        self.wallet = SyncWallet(client.wallet)
        self.players = SyncPlayers(client.players)
        self.sessions = SyncSessions(client.sessions)
        self.kyc = SyncKyc(client.kyc)
        self.responsible_gaming = SyncResponsibleGaming(client.responsible_gaming)
        self.cashier = SyncCashier(client.cashier)
        self.admin = SyncAdmin(client.admin)
        self.events = SyncEvents(client.events)

    call = _blocking(Client.call)

    def with_options(
        self,
        *,
        key: str | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> "SyncClient":
        """Return a client with other options over the same channels."""
        options = self._target.with_options(key=key, timeout_s=timeout_s, retry=retry)
        return SyncClient(options, owns_loop=False)

    def close(self) -> None:
        """Close the channels; the last client ends the background loop."""
        if self._owns_loop:
            self._owns_loop = False
            BACKGROUND.run(self._target.close())
            BACKGROUND.release()

    def __enter__(self) -> Self:
        """Enter; the first call opens the channels."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()


def connect(
    address: str,
    *,
    key: str,
    tls: Tls | None = None,
    timeout_s: float = 2.0,
    retry: RetryPolicy | None = None,
    channels: int = 1,
) -> SyncClient:
    """Make a client for ``with``; see ``cage.client.connect`` for the arguments."""
    return SyncClient(
        _client.connect(
            address,
            key=key,
            tls=tls,
            timeout_s=timeout_s,
            retry=retry,
            channels=channels,
        )
    )
