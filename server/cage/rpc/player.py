"""Serve ``cage.player.v1.PlayerService``."""

from cage.app.player import PlayerApp, PlayerView
from cage.core.player import (
    BLOCK_ALL,
    GetPlayer,
    OpenWallet,
    PlayerStatus,
    RegisterPlayer,
    SetPlayerBlocks,
    SetPlayerStatus,
)
from cage.core.registry import Vertical
from cage.player.v1 import player_pb2, player_service_pb2
from cage.rpc.convert import fill_time, to_balance
from cage.rpc.interceptor import Call
from cage.rpc.limit import to_limit
from cage.type.v1 import vertical_pb2

DEFAULT_LANGUAGE = "en"


class PlayerServicer:
    """Answer the rpcs of players; the guard has judged key, role and form."""

    def __init__(self, app: PlayerApp) -> None:
        self._app = app

    async def RegisterPlayer(
        self, request: player_service_pb2.RegisterPlayerRequest, call: Call
    ) -> player_service_pb2.RegisterPlayerResponse:
        """Register a player."""
        command = RegisterPlayer(
            key_id=call.key.key_id,
            request_id=request.request_id,
            brand_id=request.brand_id,
            display_name=request.display_name,
            country_code=request.country_code,
            jurisdiction=request.jurisdiction,
            language_code=request.language_code or DEFAULT_LANGUAGE,
            currency_code=request.currency_code,
            is_test=request.is_test,
        )
        view = await self._app.register(command, timeout_s=call.timeout_s)
        return player_service_pb2.RegisterPlayerResponse(player=to_player(view))

    async def GetPlayer(
        self, request: player_service_pb2.GetPlayerRequest, call: Call
    ) -> player_service_pb2.GetPlayerResponse:
        """Read a player with balances."""
        read = GetPlayer(key_id=call.key.key_id, player_id=request.player_id)
        view = await self._app.get(read, timeout_s=call.timeout_s)
        return player_service_pb2.GetPlayerResponse(
            player=to_player(view),
            balances=[to_balance(balance) for balance in view.balances],
        )

    async def ListPlayers(
        self, request: player_service_pb2.ListPlayersRequest, call: Call
    ) -> player_service_pb2.ListPlayersResponse:
        """List the players that the key sees."""
        page = await self._app.list(
            call.key,
            brand_id=request.brand_id,
            page_size=request.page_size,
            page_token=request.page_token,
            timeout_s=call.timeout_s,
        )
        return player_service_pb2.ListPlayersResponse(
            players=[to_player(view) for view in page.items],
            next_page_token=page.next_page_token,
        )

    async def SetPlayerStatus(
        self, request: player_service_pb2.SetPlayerStatusRequest, call: Call
    ) -> player_service_pb2.SetPlayerStatusResponse:
        """Change a player's status."""
        command = SetPlayerStatus(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            status=PlayerStatus(request.status),
            reason=request.reason,
        )
        view = await self._app.set_status(command, timeout_s=call.timeout_s)
        return player_service_pb2.SetPlayerStatusResponse(player=to_player(view))

    async def SetPlayerBlocks(
        self, request: player_service_pb2.SetPlayerBlocksRequest, call: Call
    ) -> player_service_pb2.SetPlayerBlocksResponse:
        """Replace what a player may not bet on."""
        command = SetPlayerBlocks(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            blocks=read_blocks(request.blocks),
            reason=request.reason,
        )
        view = await self._app.set_blocks(command, timeout_s=call.timeout_s)
        return player_service_pb2.SetPlayerBlocksResponse(player=to_player(view))

    async def OpenWallet(
        self, request: player_service_pb2.OpenWalletRequest, call: Call
    ) -> player_service_pb2.OpenWalletResponse:
        """Let a player hold money in one more currency."""
        command = OpenWallet(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            currency_code=request.currency_code,
        )
        view = await self._app.open_wallet(command, timeout_s=call.timeout_s)
        return player_service_pb2.OpenWalletResponse(player=to_player(view))


def read_blocks(sent: player_pb2.PlayerBlocks) -> int:
    """Return the blocks that were sent as the bits of a gate."""
    bits = BLOCK_ALL if sent.all_games else 0
    for vertical in sent.verticals:
        bits |= 1 << vertical
    return bits


def to_blocks(bits: int) -> player_pb2.PlayerBlocks:
    """Return the blocks of a gate."""
    return player_pb2.PlayerBlocks(
        all_games=bool(bits & BLOCK_ALL),
        verticals=[
            vertical_pb2.Vertical.ValueType(vertical)
            for vertical in Vertical
            if bits & 1 << vertical
        ],
    )


def to_player(view: PlayerView) -> player_pb2.Player:
    """Return a player as the contract shows one."""
    gate, profile = view.gate, view.profile
    message = player_pb2.Player(
        player_id=gate.player_id,
        operator_id=view.operator_id,
        brand_id=view.brand_id,
        display_name=profile.display_name,
        country_code=profile.country_code,
        jurisdiction=gate.jurisdiction,
        language_code=gate.language_code,
        currency_code=view.currency_code,
        status=player_pb2.PlayerStatus.ValueType(gate.status),
        kyc_level=gate.kyc_level,
        is_test=bool(gate.is_test),
        blocks=to_blocks(gate.blocks),
        more_currency_codes=view.more_currency_codes,
        limits=[to_limit(limit, with_use=False) for limit in view.limits],
    )
    fill_time(message.create_time, profile.create_time_us)
    fill_time(message.update_time, profile.update_time_us)
    return message
