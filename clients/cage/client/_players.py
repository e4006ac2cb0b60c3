"""Call PlayerService: registration, status and blocks."""

from __future__ import annotations

from collections.abc import Iterable

from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.client._pages import Pager
from cage.player.v1.player_pb2 import Player, PlayerBlocks, PlayerStatus
from cage.player.v1.player_service_pb2 import (
    GetPlayerRequest,
    GetPlayerResponse,
    ListPlayersRequest,
    ListPlayersResponse,
    OpenWalletRequest,
    OpenWalletResponse,
    RegisterPlayerRequest,
    RegisterPlayerResponse,
    SetPlayerBlocksRequest,
    SetPlayerBlocksResponse,
    SetPlayerStatusRequest,
    SetPlayerStatusResponse,
)
from cage.type.v1.vertical_pb2 import Vertical


class Players:
    """Call PlayerService with a key of role OPERATOR."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def register_player(
        self,
        *,
        brand_id: str,
        country_code: str,
        jurisdiction: str,
        currency_code: str,
        display_name: str = "",
        language_code: str = "",
        is_test: bool = False,
        request_id: str | None = None,
    ) -> RegisterPlayerResponse:
        """Register a player, in status PENDING_VERIFICATION.

        Raises BrandNotFoundError, CurrencyNotFoundError, RequestMismatchError.
        """
        request = RegisterPlayerRequest(
            request_id=request_id or new_id(),
            brand_id=brand_id,
            display_name=display_name,
            country_code=country_code,
            jurisdiction=jurisdiction,
            language_code=language_code,
            currency_code=currency_code,
            is_test=is_test,
        )
        return await self._caller.call(request, RegisterPlayerResponse)

    async def get_player(self, *, player_id: str) -> GetPlayerResponse:
        """Read a player and the balances of all of the player's wallets.

        Raises PlayerNotFoundError.
        """
        request = GetPlayerRequest(player_id=player_id)
        return await self._caller.call(request, GetPlayerResponse)

    def list_players(
        self, *, brand_id: str = "", page_size: int = 0
    ) -> Pager[Player, ListPlayersResponse]:
        """List the players that the key may see, oldest registration first.

        ``page_size`` is 0 to 1,000 items; 0 leaves it to the server.

        Raises BrandNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListPlayersResponse:
            request = ListPlayersRequest(
                brand_id=brand_id, page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListPlayersResponse)

        return Pager(fetch, lambda page: page.players)

    async def set_player_status(
        self,
        *,
        player_id: str,
        status: PlayerStatus.ValueType,
        reason: str,
        request_id: str | None = None,
    ) -> SetPlayerStatusResponse:
        """Change a player's status; a bet that commits later obeys it.

        ``reason`` is for the audit, 1 to 1,024 characters.

        Raises PlayerNotFoundError, RequestMismatchError.
        """
        request = SetPlayerStatusRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            status=status,
            reason=reason,
        )
        return await self._caller.call(request, SetPlayerStatusResponse)

    async def set_player_blocks(
        self,
        *,
        player_id: str,
        reason: str,
        all_games: bool = False,
        verticals: Iterable[Vertical.ValueType] = (),
        request_id: str | None = None,
    ) -> SetPlayerBlocksResponse:
        """Replace what a player may not bet on; what is left out is free again.

        ``reason`` is for the audit, 1 to 1,024 characters.

        Raises PlayerNotFoundError, RequestMismatchError.
        """
        request = SetPlayerBlocksRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            blocks=PlayerBlocks(all_games=all_games, verticals=verticals),
            reason=reason,
        )
        return await self._caller.call(request, SetPlayerBlocksResponse)

    async def open_wallet(
        self, *, player_id: str, currency_code: str, request_id: str | None = None
    ) -> OpenWalletResponse:
        """Let a player hold money in one more currency; nothing is ever converted.

        Raises PlayerNotFoundError, CurrencyNotFoundError, RequestMismatchError.
        """
        request = OpenWalletRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            currency_code=currency_code,
        )
        return await self._caller.call(request, OpenWalletResponse)
