"""Run the use cases of sessions: launch tokens, their exchange, the end."""

from collections.abc import Callable

from cage.app.ports import Writer
from cage.app.submit import submit
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of
from cage.core.registry import ApiKey
from cage.core.secret import (
    SECRET_BYTES,
    SESSION_PREFIX,
    digest_of,
    launch_text,
    player_of_launch,
    secret_text,
)
from cage.core.session import (
    Authenticate,
    Authenticated,
    CreateLaunchToken,
    EndSession,
    Launch,
)

_US = 1_000_000


class SessionApp:
    """Offer the use cases of sessions over a writer.

    ``random_bytes`` draws the secrets, which leave this class only in its answers.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        random_bytes: Callable[[int], bytes],
        launch_token_life_s: int = 300,
        session_life_s: int = 8 * 3_600,
    ) -> None:
        self._writer = writer
        self._random_bytes = random_bytes
        self._launch_token_life_us = launch_token_life_s * _US
        self._session_life_us = session_life_s * _US

    async def create_launch_token(
        self, command: CreateLaunchToken, *, timeout_s: float | None
    ) -> Launch:
        """Create a launch token, shown in this answer only."""
        token = launch_text(command.player_id, self._random_bytes(SECRET_BYTES))
        command.launch_digest = digest_of(token)
        command.life_us = self._launch_token_life_us
        lane = lane_of(command.player_id, self._writer.lanes)
        launch = await submit(self._writer, lane, command, Launch, timeout_s=timeout_s)
        if not launch.replayed:
            launch.launch_token = token
        return launch

    async def authenticate(
        self,
        key: ApiKey,
        launch_token: str,
        rotate: bool,
        timeout_s: float | None,
    ) -> Authenticated:
        """Exchange a launch token for a new session token, shown here only.

        Raises LAUNCH_TOKEN_INVALID for a text that is no launch token.
        """
        player_id = player_of_launch(launch_token)
        if player_id is None:
            raise CageError(Reason.LAUNCH_TOKEN_INVALID)
        token = secret_text(SESSION_PREFIX, self._random_bytes(SECRET_BYTES))
        command = Authenticate(
            key_id=key.key_id,
            player_id=player_id,
            launch_digest=digest_of(launch_token),
            session_digest=digest_of(token),
            rotate=rotate,
            life_us=self._session_life_us,
        )
        lane = lane_of(player_id, self._writer.lanes)
        answer = await submit(
            self._writer, lane, command, Authenticated, timeout_s=timeout_s
        )
        answer.session_token = token
        return answer

    async def end(self, command: EndSession, *, timeout_s: float | None) -> int:
        """End every open session of a player; return how many there were."""
        lane = lane_of(command.player_id, self._writer.lanes)
        return await submit(self._writer, lane, command, int, timeout_s=timeout_s)
