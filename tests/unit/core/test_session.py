"""Test what launch tokens, their exchange and the end of sessions decide."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cage.core.book import Book
from cage.core.decide import decide
from cage.core.errors import CageError, Reason
from cage.core.player import PlayerStatus
from cage.core.registry import with_row
from cage.core.rules import BetSessionRule
from cage.core.session import (
    Authenticate,
    CreateLaunchToken,
    EndSession,
    judge_session,
)

Refuse = Callable[..., CageError]
LIFE_US = 1_000
SESSION_LIFE_US = 50_000


def launch(**changed: Any) -> CreateLaunchToken:
    """Return a launch that passes."""
    fields: dict[str, Any] = {
        "key_id": "desk",
        "request_id": "r1",
        "player_id": "ann",
        "game_id": "book",
        "currency_code": "EUR",
        "launch_digest": "launch 1",
        "life_us": LIFE_US,
    }
    return CreateLaunchToken(**{**fields, **changed})


def exchange(**changed: Any) -> Authenticate:
    """Return an exchange of the launch token."""
    fields: dict[str, Any] = {
        "key_id": "game",
        "player_id": "ann",
        "launch_digest": "launch 1",
        "session_digest": "session 1",
        "rotate": False,
        "life_us": SESSION_LIFE_US,
    }
    return Authenticate(**{**fields, **changed})


def suspend(book: Book, _: Any) -> None:
    """Block the player."""
    book.gates["ann"].status = int(PlayerStatus.SUSPENDED)


def unverify(book: Book, _: Any) -> None:
    """Put the player before the first verification."""
    book.gates["ann"].status = int(PlayerStatus.PENDING_VERIFICATION)


def switch_off(book: Book, _: Any) -> None:
    """Switch the studio off."""
    studio = replace(book.registry.studios["studio"], enabled=False)
    book.registry = replace(
        with_row(book.registry, studio), version=book.registry.version
    )


def write(name: str, value: object) -> Callable[[Book, Any], None]:
    """Return a fault that changes a field of the command."""
    return lambda _, command: setattr(command, name, value)


LAUNCH_FAULTS = [
    (Reason.KEY_INVALID, write("key_id", "nobody")),
    (Reason.PLAYER_NOT_FOUND, write("player_id", "eve")),
    (Reason.GAME_NOT_FOUND, write("game_id", "none")),
    (Reason.CURRENCY_NOT_FOUND, write("currency_code", "XYZ")),
    (Reason.CURRENCY_MISMATCH, write("currency_code", "USD")),
    (Reason.PLAYER_BLOCKED, suspend),
    (Reason.KYC_REQUIRED, unverify),
    (Reason.GAME_UNAVAILABLE, switch_off),
]


@pytest.mark.parametrize("index", range(len(LAUNCH_FAULTS)))
def test_launch_refuses_in_documented_order(
    book: Book, refuse: Refuse, index: int
) -> None:
    """An earlier guard of CreateLaunchToken wins over all later ones."""
    faults = list(LAUNCH_FAULTS)
    # A player has one status and a command one currency: the later would win.
    for reason in (Reason.CURRENCY_NOT_FOUND, Reason.PLAYER_BLOCKED):
        place = next(i for i, fault in enumerate(faults) if fault[0] == reason)
        if index <= place:
            faults[place + 1] = (reason, lambda *_: None)
    refuse(book, launch(), faults, index)


def test_launch_token_lives_as_long_as_configured(book: Book) -> None:
    """The row holds the digest and the end of the life; the answer has no secret."""
    answer = decide(book, launch())

    row = book.launches["launch 1"]
    assert answer.expire_time_us == row.expire_time_us == book.now_us + LIFE_US
    assert (answer.launch_token, answer.replayed) == ("", False)
    assert row.launch_no == book.changes[0].item_no
    assert book.dirty_rows
    assert json.loads(book.changes[0].after)["digest"] == "launch 1"


def test_launch_again_answers_without_a_secret(book: Book) -> None:
    """A retry makes no second token and says that it is a replay."""
    first = decide(book, launch())
    book.now_us += 500
    again = decide(book, launch(launch_digest="launch 2"))

    assert again.replayed
    assert again.expire_time_us == first.expire_time_us
    assert list(book.launches) == ["launch 1"]
    assert "launch" not in book.new_requests[0].reply


def test_launch_with_other_content_is_refused(book: Book) -> None:
    """A request id answers one content only."""
    decide(book, launch())

    with pytest.raises(CageError) as caught:
        decide(book, launch(player_id="bob"))

    assert caught.value.reason == Reason.REQUEST_MISMATCH


def test_first_exchange_opens_a_session(book: Book) -> None:
    """A session is bound to player, game, currency and integration."""
    decide(book, launch())
    answer = decide(book, exchange())

    session = answer.session
    assert book.sessions[session.session_no] == session
    assert (session.player_no, session.game_no, session.currency_no) == (11, 1, 1)
    assert (session.integration_no, session.token_count) == (1, 1)
    assert answer.expire_time_us == book.now_us + SESSION_LIFE_US
    assert book.launches["launch 1"].session_no == session.session_no
    assert book.tokens["session 1"].session_no == session.session_no
    assert answer.brand_id == "vegas"
    assert answer.rules.bet_needs_session == BetSessionRule.REQUIRED
    assert answer.game.game_id == "book"
    assert answer.balance.currency.currency_code == "EUR"
    numbers = [change.item_no for change in book.changes]
    assert numbers == list(range(101, 101 + len(numbers)))
    assert session.session_no == 102


@pytest.mark.parametrize("rotate", [False, True])
def test_second_exchange_adds_a_token(book: Book, rotate: bool) -> None:
    """Repeating gives the same session; older tokens die only with rotate."""
    decide(book, launch())
    first = decide(book, exchange())
    second = decide(book, exchange(session_digest="session 2", rotate=rotate))

    session = book.sessions[first.session.session_no]
    assert second.session.session_no == first.session.session_no
    assert second.expire_time_us == first.expire_time_us
    assert session.token_count == 2
    owner: Any = {
        "player_no": 11,
        "integration_no": session.integration_no,
        "game": book.registry.games["book"],
    }
    judge_session(book.tokens["session 2"], session, **owner, now_us=book.now_us)
    try:
        judge_session(book.tokens["session 1"], session, **owner, now_us=book.now_us)
        refused = None
    except CageError as refusal:
        refused = refusal.reason

    assert refused == (Reason.SESSION_ENDED if rotate else None)


def expire(book: Book, _: Any) -> None:
    """Let the launch token's life end, which comes before the session's."""
    book.now_us = book.launches["launch 1"].expire_time_us


def end(book: Book, _: Any) -> None:
    """End the session."""
    for session in book.sessions.values():
        session.end_time_us = book.now_us


EXCHANGE_FAULTS = [
    (Reason.KEY_INVALID, write("key_id", "nobody")),
    (Reason.LAUNCH_TOKEN_INVALID, write("launch_digest", "unknown")),
    (Reason.LAUNCH_TOKEN_EXPIRED, expire),
    (Reason.SESSION_ENDED, end),
    (Reason.PLAYER_BLOCKED, suspend),
    (Reason.GAME_UNAVAILABLE, switch_off),
]


@pytest.mark.parametrize("index", range(len(EXCHANGE_FAULTS)))
def test_exchange_refuses_in_documented_order(book: Book, index: int) -> None:
    """An earlier guard of Authenticate wins over all later ones."""
    decide(book, launch())
    decide(book, exchange())
    command = exchange(session_digest="session 2")
    for _, fault in EXCHANGE_FAULTS[index:]:
        fault(book, command)
    count = len(book.changes)

    with pytest.raises(CageError) as caught:
        decide(book, command)

    assert caught.value.reason == EXCHANGE_FAULTS[index][0]
    assert len(book.changes) == count
    assert "session 2" not in book.tokens


def test_exchange_for_an_unverified_player_is_refused(book: Book) -> None:
    """Who has to be verified again opens no game."""
    decide(book, launch())
    unverify(book, None)

    with pytest.raises(CageError) as caught:
        decide(book, exchange())

    assert caught.value.reason == Reason.KYC_REQUIRED


@pytest.mark.parametrize(
    "changed",
    [
        {"key_id": "elsewhere"},
        {"player_id": "bob"},
        {"player_id": "nobody"},
        {"launch_digest": "guessed"},
    ],
)
def test_a_token_of_somebody_else_is_invalid(
    book: Book, changed: dict[str, str]
) -> None:
    """Neither another operator's key nor another player can use a token."""
    decide(book, launch())

    with pytest.raises(CageError) as caught:
        decide(book, exchange(**changed))

    assert caught.value.reason == Reason.LAUNCH_TOKEN_INVALID


def test_a_token_belongs_to_the_integration_that_exchanged_it(book: Book) -> None:
    """Another integration cannot join the session."""
    decide(book, launch())
    session = decide(book, exchange()).session
    book.sessions[session.session_no].integration_no = 99

    with pytest.raises(CageError) as caught:
        decide(book, exchange(session_digest="session 2"))

    assert caught.value.reason == Reason.LAUNCH_TOKEN_INVALID


def test_a_session_past_its_life_takes_no_new_token(book: Book) -> None:
    """A session that expired before its launch token counts as ended."""
    decide(book, launch(life_us=SESSION_LIFE_US * 2))
    decide(book, exchange())
    book.now_us += SESSION_LIFE_US

    with pytest.raises(CageError) as caught:
        decide(book, exchange(session_digest="session 2"))

    assert caught.value.reason == Reason.SESSION_ENDED


def test_end_ends_what_is_open(book: Book) -> None:
    """Open sessions of the player end; expired ones and other players' do not."""
    decide(book, launch())
    opened = decide(book, exchange()).session
    other = replace(opened, session_no=900, player_no=12)
    expired = replace(opened, session_no=901, expire_time_us=book.now_us)
    book.sessions |= {900: other, 901: expired}

    command = EndSession(key_id="desk", request_id="r9", player_id="ann")
    assert decide(book, command) == 1
    assert book.sessions[opened.session_no].end_time_us == book.now_us
    assert not other.end_time_us
    assert not expired.end_time_us
    assert decide(book, command) == 1
    with pytest.raises(CageError) as caught:
        decide(book, replace(command, player_id="bob"))

    assert caught.value.reason == Reason.REQUEST_MISMATCH


def test_end_of_nothing_is_kept_for_its_retry(book: Book) -> None:
    """A retry ends no session that was opened after the first answer."""
    command = EndSession(key_id="desk", request_id="r9", player_id="ann")
    assert decide(book, command) == 0
    assert book.changes
    decide(book, launch())
    opened = decide(book, exchange()).session

    assert decide(book, command) == 0
    assert not book.sessions[opened.session_no].end_time_us


def test_end_for_a_player_out_of_sight_is_refused(book: Book) -> None:
    """A player of another operator is not found."""
    with pytest.raises(CageError) as caught:
        decide(book, EndSession(key_id="desk", request_id="r9", player_id="eve"))

    assert caught.value.reason == Reason.PLAYER_NOT_FOUND
