"""Call SessionService: launch tokens and the end of sessions."""

from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.player.v1.session_service_pb2 import (
    CreateLaunchTokenRequest,
    CreateLaunchTokenResponse,
    EndSessionRequest,
    EndSessionResponse,
)
from cage.wallet.v1.wallet_pb2 import SessionScope


class Sessions:
    """Call SessionService with a key of role OPERATOR."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create_launch_token(
        self,
        *,
        player_id: str,
        game_id: str,
        currency_code: str,
        scope: SessionScope.ValueType = SessionScope.SESSION_SCOPE_UNSPECIFIED,
        request_id: str | None = None,
    ) -> CreateLaunchTokenResponse:
        """Create a token with which a game is opened.

        With ``scope`` STUDIO its session bets in every game of the game's studio.

        The token is shown once. Without a ``request_id`` of your own, a retry that
        finds it lost (``replayed``, no token) asks for another under a new id.

        Raises PlayerNotFoundError, GameNotFoundError, CurrencyNotFoundError,
        CurrencyMismatchError, PlayerBlockedError, KycRequiredError,
        GameUnavailableError, MaintenanceError, RequestMismatchError.
        """
        request = CreateLaunchTokenRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            game_id=game_id,
            currency_code=currency_code,
            scope=scope,
        )
        reply = await self._caller.call(request, CreateLaunchTokenResponse)
        if reply.replayed and request_id is None:
            request.request_id = new_id()
            reply = await self._caller.call(request, CreateLaunchTokenResponse)
        return reply

    async def end_session(
        self, *, player_id: str, request_id: str | None = None
    ) -> EndSessionResponse:
        """End every game session of a player; later bets answer SESSION_ENDED.

        Raises PlayerNotFoundError, RequestMismatchError.
        """
        request = EndSessionRequest(
            request_id=request_id or new_id(), player_id=player_id
        )
        return await self._caller.call(request, EndSessionResponse)
