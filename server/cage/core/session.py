"""Hold game sessions, their tokens, the launch tokens that open them, the commands.

A token is an opaque secret; only its SHA-256 (hex) is kept. Times are
microseconds since 1970. ``launch.py`` decides the commands.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from cage.core.errors import CageError, Reason
from cage.core.ids import public_id
from cage.core.player import Gate, Profile
from cage.core.registry import Currency, Game
from cage.core.rules import Rules
from cage.core.wallet import Balance


class SessionScope(IntEnum):
    """Say in which games a session bets; as in ``cage.wallet.v1.SessionScope``."""

    GAME = 1
    STUDIO = 2


@dataclass(slots=True)
class Session:
    """Hold one game session. ``end_time_us`` is 0 while it runs.

    Tokens numbered below ``live_token_no`` were rotated away. ``studio_no`` is 0 for a
    session of ``game_no`` alone, else it bets in every game of that studio.
    """

    lane: int
    session_no: int
    player_no: int
    game_no: int
    currency_no: int
    integration_no: int
    token_count: int
    live_token_no: int
    create_time_us: int
    expire_time_us: int
    end_time_us: int
    studio_no: int = 0


@dataclass(slots=True)
class SessionToken:
    """Bind the digest of one session token to its session."""

    lane: int
    digest: str
    session_no: int
    token_no: int
    player_no: int


@dataclass(slots=True)
class LaunchToken:
    """Hold one launch token. ``session_no`` is 0 until it was exchanged.

    ``studio_no`` is that of its session.
    """

    lane: int
    digest: str
    launch_no: int
    player_no: int
    game_no: int
    currency_no: int
    expire_time_us: int
    session_no: int
    studio_no: int = 0


@dataclass(slots=True, kw_only=True)
class CreateLaunchToken:
    """Create a launch token; the server draws it and configures its life."""

    key_id: str
    request_id: str
    player_id: str
    game_id: str
    currency_code: str
    scope: SessionScope = SessionScope.GAME
    launch_digest: str = field(default="", metadata={"drawn": True})
    life_us: int = field(default=0, metadata={"drawn": True})


@dataclass(slots=True, kw_only=True)
class Authenticate:
    """Exchange a launch token, which names its player, for a session token.

    It has no request id: every call makes a new token of the same session.
    """

    key_id: str
    player_id: str
    launch_digest: str
    session_digest: str
    rotate: bool
    life_us: int


@dataclass(slots=True, kw_only=True)
class EndSession:
    """End every open game session of a player."""

    key_id: str
    request_id: str
    player_id: str


@dataclass(slots=True, kw_only=True)
class Launch:
    """Answer a CreateLaunchToken; the token is empty on a replay."""

    launch_token: str
    expire_time_us: int
    replayed: bool


@dataclass(slots=True, kw_only=True)
class Authenticated:
    """Answer an Authenticate: the session and what the game has to know."""

    gate: Gate
    profile: Profile
    session: Session
    game: Game
    currency: Currency
    balance: Balance
    session_token: str
    expire_time_us: int
    brand_id: str
    rules: Rules


def judge_session(
    token: SessionToken,
    session: Session,
    *,
    player_no: int,
    integration_no: int,
    game: Game,
    now_us: int,
) -> None:
    """Let a bet pass its session.

    Raises SESSION_NOT_FOUND for a token of another player, integration, or of another
    game than the session is for, SESSION_ENDED for an ended session or a rotated
    token, SESSION_EXPIRED.
    """
    if (session.player_no, session.integration_no) != (player_no, integration_no):
        raise CageError(Reason.SESSION_NOT_FOUND)
    if session.game_no != game.game_no and session.studio_no != game.studio_no:
        raise CageError(Reason.SESSION_NOT_FOUND)
    if session.end_time_us or token.token_no < session.live_token_no:
        raise CageError(Reason.SESSION_ENDED)
    if now_us >= session.expire_time_us:
        raise CageError(Reason.SESSION_EXPIRED)


def session_id(session: Session) -> str:
    """Return the public id of a session."""
    return public_id(session.create_time_us, session.lane, session.session_no)
