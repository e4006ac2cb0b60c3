"""Decide launch tokens, the sessions that they open, and the end of sessions.

Guards of a launch in order: key; the request id or the token; the game and the
currency; the player's status; the kill switches.
"""

from dataclasses import replace

from cage.core.book import Book
from cage.core.errors import CageError, Reason
from cage.core.player import Gate
from cage.core.registry import ApiKey
from cage.core.request import columns, earlier_reply, journal, keep_reply
from cage.core.session import (
    Authenticate,
    Authenticated,
    CreateLaunchToken,
    EndSession,
    Launch,
    LaunchToken,
    Session,
    SessionScope,
    SessionToken,
    session_id,
)


def decide_create_launch_token(book: Book, command: CreateLaunchToken) -> Launch:
    """Create a launch token; raise what ``CreateLaunchTokenRequest`` documents."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        expire_time_us = reply["expire_time_us"]
        return Launch(launch_token="", expire_time_us=expire_time_us, replayed=True)
    gate = book.player(key, command.player_id)
    game = book.game(command.game_id)
    currency = book.currency(command.currency_code)
    book.judge_currency(gate, book.wallet(gate, currency.currency_no))
    book.judge_status(gate)
    book.judge_switches(key, gate, game)
    launch = LaunchToken(
        lane=gate.lane,
        digest=command.launch_digest,
        launch_no=book.next_no,
        player_no=gate.player_no,
        game_no=game.game_no,
        currency_no=currency.currency_no,
        expire_time_us=book.now_us + command.life_us,
        session_no=0,
        studio_no=game.studio_no if command.scope == SessionScope.STUDIO else 0,
    )
    book.launches[launch.digest] = launch
    write_launch(book, command, launch, before=None)
    keep_reply(book, command, {"expire_time_us": launch.expire_time_us})
    return Launch(launch_token="", expire_time_us=launch.expire_time_us, replayed=False)


def decide_authenticate(book: Book, command: Authenticate) -> Authenticated:
    """Exchange a launch token; raise what ``AuthenticateRequest`` documents."""
    key = book.caller(command.key_id)
    gate, launch, session = judge_launch(book, key, command)
    registry = book.registry
    game = registry.games_by_no[launch.game_no]
    integration = registry.integrations_by_no[key.integration_no]
    book.judge_status(gate)
    book.judge_switches(key, gate, game)
    if session is None:
        session = open_session(book, key, command, launch)
        add_token(book, command, session)
        bind_launch(book, command, launch, session)
    else:
        before = columns(session)
        session.token_count += 1
        if command.rotate:
            session.live_token_no = session.token_count
        write_session(book, command, session, before=before)
        add_token(book, command, session)
    return Authenticated(
        gate=replace(gate),
        profile=replace(book.profiles[gate.player_no]),
        session=replace(session),
        game=game,
        currency=registry.currencies_by_no[session.currency_no],
        balance=book.balance(book.wallet(gate, session.currency_no)),
        session_token="",
        expire_time_us=session.expire_time_us,
        brand_id=registry.brands_by_no[gate.brand_no].brand_id,
        rules=integration.rules,
    )


def judge_launch(
    book: Book, key: ApiKey, command: Authenticate
) -> tuple[Gate, LaunchToken, Session | None]:
    """Return the player, the token and its session, None before the first exchange.

    Raises LAUNCH_TOKEN_INVALID for a token that is unknown, of a player that the
    key may not see, or bound to the session of another integration;
    LAUNCH_TOKEN_EXPIRED; SESSION_ENDED, also when the session's life is over.
    """
    launch = book.launches.get(command.launch_digest)
    try:
        gate = book.player(key, command.player_id)
    except CageError as exc:
        raise CageError(Reason.LAUNCH_TOKEN_INVALID) from exc
    if launch is None or launch.player_no != gate.player_no:
        raise CageError(Reason.LAUNCH_TOKEN_INVALID)
    session = book.sessions[launch.session_no] if launch.session_no else None
    if session is not None and session.integration_no != key.integration_no:
        raise CageError(Reason.LAUNCH_TOKEN_INVALID)
    if book.now_us >= launch.expire_time_us:
        raise CageError(Reason.LAUNCH_TOKEN_EXPIRED)
    if session is not None and not is_open(session, book.now_us):
        raise CageError(Reason.SESSION_ENDED)
    return gate, launch, session


def open_session(
    book: Book, key: ApiKey, command: Authenticate, launch: LaunchToken
) -> Session:
    """Open the session of a launch token, with its first token counted."""
    session = Session(
        lane=launch.lane,
        session_no=book.next_no,
        player_no=launch.player_no,
        game_no=launch.game_no,
        currency_no=launch.currency_no,
        integration_no=key.integration_no,
        token_count=1,
        live_token_no=1,
        create_time_us=book.now_us,
        expire_time_us=book.now_us + command.life_us,
        end_time_us=0,
        studio_no=launch.studio_no,
    )
    book.sessions[session.session_no] = session
    write_session(book, command, session, before=None)
    return session


def bind_launch(
    book: Book, command: Authenticate, launch: LaunchToken, session: Session
) -> None:
    """Bind a launch token to the session that it opened."""
    before = columns(launch)
    launch.session_no = session.session_no
    write_launch(book, command, launch, before=before)


def write_launch(
    book: Book,
    command: CreateLaunchToken | Authenticate,
    launch: LaunchToken,
    *,
    before: dict[str, object] | None,
) -> None:
    """Write a launch token's row and journal the change."""
    noun_id = f"{launch.lane}.{launch.launch_no}"
    journal(
        book, command, "launch_token", noun_id, before=before, after=columns(launch)
    )
    book.touch(launch, (launch.lane, launch.digest))


def add_token(book: Book, command: Authenticate, session: Session) -> None:
    """Add the newest token of a session."""
    token = SessionToken(
        lane=session.lane,
        digest=command.session_digest,
        session_no=session.session_no,
        token_no=session.token_count,
        player_no=session.player_no,
    )
    noun_id = f"{session_id(session)}.{token.token_no}"
    journal(book, command, "session_token", noun_id, before=None, after=columns(token))
    book.tokens[token.digest] = token
    book.touch(token, (token.lane, token.digest))


def decide_end_session(book: Book, command: EndSession) -> int:
    """End every open session of a player; return how many there were."""
    key = book.caller(command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return int(reply["ended_count"])
    gate = book.player(key, command.player_id)
    running = [
        session
        for session in book.sessions.values()
        if session.player_no == gate.player_no and is_open(session, book.now_us)
    ]
    # In their own order, whatever else the batch had loaded.
    for session in sorted(running, key=lambda session: session.session_no):
        before = columns(session)
        session.end_time_us = book.now_us
        write_session(book, command, session, before=before)
    ended = {"ended_count": len(running)}
    if not running:
        # What is answered is journalled, also when nothing had to change.
        journal(book, command, "request", command.request_id, before=None, after=ended)
    keep_reply(book, command, ended)
    return len(running)


def is_open(session: Session, now_us: int) -> bool:
    """Say whether a session was neither ended nor has expired."""
    return not session.end_time_us and now_us < session.expire_time_us


def write_session(
    book: Book,
    command: Authenticate | EndSession,
    session: Session,
    *,
    before: dict[str, object] | None,
) -> None:
    """Write a session's row and journal the change."""
    journal(
        book,
        command,
        "session",
        session_id(session),
        before=before,
        after=columns(session),
    )
    book.touch(session, (session.lane, session.session_no))
