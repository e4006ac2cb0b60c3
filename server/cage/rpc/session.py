"""Serve ``cage.player.v1.SessionService``."""

from cage.app.session import SessionApp
from cage.core.session import CreateLaunchToken, EndSession, SessionScope
from cage.player.v1 import session_service_pb2
from cage.rpc.convert import to_time
from cage.rpc.interceptor import Call


class SessionServicer:
    """Answer the rpcs of sessions; the guard has judged key, role and form."""

    def __init__(self, app: SessionApp) -> None:
        self._app = app

    async def CreateLaunchToken(
        self, request: session_service_pb2.CreateLaunchTokenRequest, call: Call
    ) -> session_service_pb2.CreateLaunchTokenResponse:
        """Create a launch token."""
        command = CreateLaunchToken(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            game_id=request.game_id,
            currency_code=request.currency_code,
            scope=SessionScope(request.scope or SessionScope.GAME),
        )
        launch = await self._app.create_launch_token(command, timeout_s=call.timeout_s)
        return session_service_pb2.CreateLaunchTokenResponse(
            launch_token=launch.launch_token,
            expire_time=to_time(launch.expire_time_us),
            replayed=launch.replayed,
        )

    async def EndSession(
        self, request: session_service_pb2.EndSessionRequest, call: Call
    ) -> session_service_pb2.EndSessionResponse:
        """End every open session of a player."""
        command = EndSession(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
        )
        ended_count = await self._app.end(command, timeout_s=call.timeout_s)
        return session_service_pb2.EndSessionResponse(ended_count=ended_count)
