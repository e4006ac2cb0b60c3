"""Draw commands that collide: few players, ids and rounds, amounts near a balance.

A command follows from one number, so that Hypothesis shrinks a failing history by
leaving commands out, and a seeded test draws the same ones.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hypothesis import strategies as st
from tests.simulation.deployment import (
    DAY_US,
    GAMES,
    LATE_KEY,
    NOW_US,
    OFFICE_KEY,
    SESSIONS,
    authenticate,
    create_key,
    register_player,
    set_status,
)

from cage.core.admin import LOCAL_ACTOR, UpdateGame, UpdateIntegration
from cage.core.ids import public_id
from cage.core.key import RevokeApiKey
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.money import INT64_MAX
from cage.core.payment import AuthorizeDeposit, CancelDeposit, TransferDeposit
from cage.core.player import GetPlayer, PlayerStatus
from cage.core.session import Authenticate, CreateLaunchToken, EndSession
from cage.core.wallet import (
    Award,
    Bet,
    BetKind,
    CloseRound,
    GetBalance,
    JackpotWin,
    Kind,
    Play,
    Rollback,
    Win,
)

WALLET = (Bet, Win, Play, Rollback, CloseRound, Award, GetBalance)
IDS = [f"t{number}" for number in range(1, 9)]
AMOUNTS = [0, 1, 3, 10, 40, 50, 70, 90, 100, 101, 149, 150, 151]
STATUSES = [PlayerStatus.ACTIVE] * 5 + list(PlayerStatus)

# Below this a bounded integer of Hypothesis is uniform.
NUMBERS = st.integers(0, 2**24 - 1)


@st.composite
def histories(draw: Any, *, longest: int = 40) -> list[int]:
    """Draw the numbers of the commands of one history."""
    count = draw(st.integers(1, longest))
    return list(draw(st.lists(NUMBERS, min_size=count, max_size=count)))


def place(rng: Random) -> dict[str, Any]:
    """Draw who plays what: key, player, game and round."""
    return {
        "key_id": rng.choice(["hub-key"] * 20 + ["wide-key", LATE_KEY]),
        "player_id": rng.choice(["ann"] * 4 + ["bob"]),
        "game_id": rng.choice(["slots"] * 8 + ["dice"]),
        "round_id": rng.choice(["r1", "r1", "r2"]),
    }


def money(rng: Random) -> dict[str, Any]:
    """Draw the fields of a Money."""
    return {"currency_code": "EUR", "amount": rng.choice(AMOUNTS), "scale": 2}


def an_id(rng: Random) -> str:
    """Draw an id, that of another call more often than a new one."""
    return rng.choice(IDS) if rng.random() < 0.6 else f"n{rng.randrange(10_000)}"


def is_closed(rng: Random) -> bool:
    """Draw whether a call closes its round."""
    return rng.random() < 0.1


def session(rng: Random) -> str:
    """Draw a session, mostly none."""
    return "s-ann" if rng.random() < 0.1 else ""


def bet_kind(rng: Random) -> BetKind:
    """Draw what a bet is for."""
    return BetKind.TIP if rng.random() < 0.15 else BetKind.STAKE


def bet(rng: Random) -> Bet:
    """Draw a bet."""
    return Bet(
        **place(rng),
        **money(rng),
        transaction_id=an_id(rng),
        kind=bet_kind(rng),
        session_digest=session(rng),
        round_closed=is_closed(rng),
    )


def win(rng: Random) -> Win:
    """Draw a win that names a bet or its round."""
    return Win(
        **place(rng),
        **money(rng),
        transaction_id=an_id(rng),
        bet_transaction_id=rng.choice(["", rng.choice(IDS)]),
        round_closed=is_closed(rng),
    )


def play(rng: Random) -> Play:
    """Draw a play of up to four actions with different ids."""
    where, count = place(rng), rng.choice([0, 1, 2, 2, 2, 3, 4])
    ids = list({an_id(rng): None for _ in range(count)})
    actions: list[Bet | Win] = []
    for transaction_id in ids:
        content = {**where, **money(rng), "transaction_id": transaction_id}
        if rng.random() < 0.6:
            actions.append(Bet(**content, kind=bet_kind(rng)))
        else:
            names = rng.choice(["", *ids, rng.choice(IDS)])
            actions.append(Win(**content, bet_transaction_id=names))
    return Play(
        **where,
        actions=tuple(actions),
        session_digest=session(rng),
        round_closed=not actions or is_closed(rng),
    )


def rollback(rng: Random) -> Rollback:
    """Draw a rollback, under an id of its own or that of the original."""
    place_ = place(rng)
    original_id = rng.choice(IDS)
    kinds = [Kind.UNSPECIFIED] * 5 + [Kind.BET] * 3 + [Kind.WIN, Kind.ROLLBACK]
    return Rollback(
        key_id=place_["key_id"],
        player_id=place_["player_id"],
        transaction_id=rng.choice([original_id, rng.choice(IDS)]),
        original_id=original_id,
        original_kind=rng.choice(kinds),
        round_closed=is_closed(rng),
    )


def close_round(rng: Random) -> CloseRound:
    """Draw the close of a round."""
    return CloseRound(**place(rng))


def award(rng: Random) -> Award:
    """Draw an award, with a round or without one."""
    where = place(rng)
    where["round_id"] = rng.choice(["", "", where["round_id"]])
    return Award(
        **where,
        **money(rng),
        transaction_id=an_id(rng),
        kind=rng.choice([1, 2]),
        campaign_id=rng.choice(["", "", "spring"]),
        informational=rng.random() < 0.3,
        round_closed=bool(where["round_id"]) and is_closed(rng),
    )


def get_balance(rng: Random) -> GetBalance:
    """Draw a read of a balance."""
    where = place(rng)
    return GetBalance(
        key_id=where["key_id"],
        player_id=where["player_id"],
        game_id=rng.choice(["", where["game_id"]]),
        currency_code="EUR",
        session_digest=rng.choice(["", *SESSIONS]),
    )


KINDS: list[Callable[[Random], Any]] = [
    *[bet] * 6,
    *[win] * 4,
    *[play] * 5,
    *[rollback] * 5,
    *[award] * 2,
    close_round,
    get_balance,
]

# What a caller may get wrong, or change in a retry. What a command lacks stays.
SPOILS: list[dict[str, object]] = [
    {"key_id": "wide-key"},
    {"key_id": "strict-key"},
    {"key_id": LATE_KEY},
    {"key_id": "no-key"},
    {"player_id": "bob"},
    {"player_id": "cat"},
    {"player_id": "cat", "currency_code": "USD"},
    {"player_id": "zed"},
    {"player_id": "zed", "key_id": "wide-key"},
    {"player_id": "nobody"},
    {"player_id": "newcomer"},
    {"game_id": "dice"},
    {"game_id": "lost"},
    {"round_id": "r2"},
    {"currency_code": "USD"},
    {"currency_code": "XYZ"},
    {"amount": 10},
    {"amount": -1},
    {"amount": INT64_MAX},
    {"amount": INT64_MAX, "scale": 0},
    {"amount": 100, "scale": 3},
    {"amount": 101, "scale": 3},
    {"amount": 1, "scale": 0},
    {"scale": -1},
    {"session_digest": "s-bob"},
    {"session_digest": "s-fresh"},
    {"session_digest": "s-over"},
    {"session_digest": "s-ended"},
    {"session_digest": "s-rotated"},
    {"session_digest": "s-none"},
    {"campaign_id": "free"},
    {"round_closed": True},
    {"transaction_id": "t1"},
    {"bet_transaction_id": "t1"},
    {"original_id": "t1"},
    {"jackpot_wins": (JackpotWin(jackpot_id="j", currency_code="EUR", amount=40,
                                 scale=2),)},
    {"jackpot_wins": (JackpotWin(jackpot_id="j", currency_code="USD", amount=1,
                                 scale=2),)},
]  # fmt: skip


def spoil(command: Any, content: dict[str, object]) -> Any:
    """Change fields of a command; in a play those of every action too."""
    known = {name: value for name, value in content.items() if hasattr(command, name)}
    changed = replace(command, **known)
    if isinstance(command, Play) and command.actions:
        *rest, last = command.actions
        of_play = {"session_digest", "round_closed"}
        own = {name: content[name] for name in content.keys() - of_play}
        everywhere = {*known, "currency_code"} & own.keys()
        shared = {name: own[name] for name in everywhere}
        actions = [spoil(each, shared) for each in rest]
        actions.append(spoil(last, own))
        if len({each.transaction_id for each in actions}) == len(actions):
            changed.actions = tuple(actions)
    return changed


def shorten(command: Any) -> Any:
    """Leave the last action of a play out."""
    if isinstance(command, Play) and len(command.actions) > 1:
        return replace(command, actions=command.actions[:-1])
    return command


def turn(command: Any) -> Any:
    """Turn the order of the actions of a play."""
    if isinstance(command, Play):
        return replace(command, actions=command.actions[::-1])
    return command


def swap(command: Any) -> Any:
    """Give the last action of a play another id."""
    if isinstance(command, Play) and command.actions:
        *rest, last = command.actions
        other = replace(last, transaction_id="t10")
        return replace(command, actions=(*rest, other))
    return command


def altered(rng: Random, command: Any) -> Any:
    """Change one thing about a wallet command."""
    if not isinstance(command, WALLET):
        return command
    if isinstance(command, Play) and rng.random() < 0.4:
        return rng.choice([shorten, turn, swap])(command)
    content = rng.choice(SPOILS)
    return spoil(command, content) if content.keys() & _names(command) else command


def _names(command: Any) -> set[str]:
    """List the fields of a command and of its actions."""
    commands = (command, *getattr(command, "actions", ()))
    return {name for each in commands for name in each.__slots__}


def wallet_command(rng: Random) -> Any:
    """Draw a wallet command, now and then with something wrong."""
    command = rng.choice(KINDS)(rng)
    return altered(rng, command) if rng.random() < 0.15 else command


@dataclass(frozen=True)
class Again:
    """Send a recent command once more, altered or not."""

    back: int
    is_altered: bool


def again(rng: Random) -> Again:
    """Draw a repetition."""
    return Again(rng.randint(1, 8), rng.random() < 0.5)


def change(rng: Random) -> object:
    """Draw a command that changes what bets are judged by."""
    name = f"c{rng.randint(1, 12)}"
    player_id = rng.choice(["ann", "ann", "bob", "nobody", "newcomer"])
    amount = rng.choice(AMOUNTS)
    return rng.choice(
        [
            set_status(name, player_id, rng.choice(STATUSES)),
            set_status(name, player_id, PlayerStatus.ACTIVE),
            switch_game(
                name, rng.choice(["slots", "dice"]), enabled=rng.random() < 0.6
            ),
            require_session(name, "hub", bet_needs_session=rng.random() < 0.3),
            EndSession(key_id=OFFICE_KEY, request_id=name, player_id=player_id),
            authenticate("s-ann", f"s-fresh{rng.choice(['', '-2'])}"),
            register_player("newcomer", "acme-one", "EUR"),
            set_status("activate-newcomer", "newcomer", PlayerStatus.ACTIVE),
            create_key(LATE_KEY, "hub", ("acme",)),
            RevokeApiKey(key_id=LOCAL_ACTOR, request_id=name, revoked_key_id=LATE_KEY),
            authorize(name, player_id, amount),
            transfer(rng.randint(60, 75), player_id, amount),
            cancel(name, rng.randint(60, 75), player_id),
            launch(name, player_id, rng.choice(["slots", "dice", "lost"])),
            exchange(rng, player_id),
            verification(name, player_id, rng.randint(0, 3)),
            GetPlayer(key_id=OFFICE_KEY, player_id=player_id),
        ]
    )


def cancel(request_id: str, payment_no: int, player_id: str) -> CancelDeposit:
    """Give a deposit up that was authorized at a place of the journal, if any was."""
    return CancelDeposit(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        payment_id=public_id(NOW_US, 0, payment_no),
        reason="test",
    )


def launch(request_id: str, player_id: str, game_id: str) -> CreateLaunchToken:
    """Create a launch token that is named after its request."""
    return CreateLaunchToken(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        game_id=game_id,
        currency_code="EUR",
        launch_digest=f"launch of {request_id}",
        life_us=DAY_US,
    )


def exchange(rng: Random, player_id: str) -> Authenticate:
    """Exchange the launch token of some request, if it was made."""
    return Authenticate(
        key_id=rng.choice(["hub-key", "hub-key", "strict-key"]),
        player_id=player_id,
        launch_digest=f"launch of c{rng.randint(1, 12)}",
        session_digest=f"s-{rng.randrange(10_000)}",
        rotate=rng.random() < 0.3,
        life_us=DAY_US,
    )


def verification(request_id: str, player_id: str, level: int) -> RecordVerification:
    """Record a passed check of a player."""
    return RecordVerification(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        method=VerificationMethod.DOCUMENT,
        reference="case",
        level=level,
    )


def authorize(request_id: str, player_id: str, amount: int) -> AuthorizeDeposit:
    """Ask whether a player may deposit."""
    return AuthorizeDeposit(
        key_id=OFFICE_KEY,
        request_id=request_id,
        player_id=player_id,
        currency_code="EUR",
        amount=amount,
        scale=2,
        payment_method="card",
    )


def transfer(payment_no: int, player_id: str, amount: int) -> TransferDeposit:
    """Credit a deposit that was authorized at a place of the journal, if any was."""
    return TransferDeposit(
        key_id=OFFICE_KEY,
        player_id=player_id,
        payment_id=public_id(NOW_US, 0, payment_no),
        currency_code="EUR",
        amount=amount,
        scale=2,
        psp_reference="psp",
    )


def switch_game(request_id: str, game_id: str, *, enabled: bool) -> UpdateGame:
    """Turn the kill switch of a game."""
    return UpdateGame(
        key_id=LOCAL_ACTOR,
        request_id=request_id,
        game_id=game_id,
        studio_id=GAMES[game_id],
        display_name="",
        enabled=enabled,
    )


def require_session(
    request_id: str, integration_id: str, *, bet_needs_session: bool
) -> UpdateIntegration:
    """Set the policy of an integration."""
    return UpdateIntegration(
        key_id=LOCAL_ACTOR,
        request_id=request_id,
        integration_id=integration_id,
        display_name="",
        enabled=True,
        bet_needs_session=bet_needs_session,
    )


def any_command(rng: Random) -> Any:
    """Draw a wallet command, a repetition or a change."""
    roll = rng.random()
    if roll < 0.15:
        return change(rng)
    return again(rng) if roll < 0.35 else wallet_command(rng)


def follow(rng: Random, command: Any, earlier: Sequence[Any]) -> Any:
    """Let a win or a rollback be about a bet that was sent before, if any was."""
    bets = [each for each in earlier if isinstance(each, Bet | Play)]
    if not bets or not isinstance(command, Win | Rollback) or rng.random() < 0.3:
        return command
    about = bets[-rng.randint(1, min(8, len(bets)))]
    ids = [each.transaction_id for each in getattr(about, "actions", [about])]
    command.key_id, command.player_id = about.key_id, about.player_id
    if isinstance(command, Rollback):
        command.original_id = rng.choice([*ids, command.original_id])
    else:
        command.game_id, command.round_id = about.game_id, about.round_id
        command.bet_transaction_id = rng.choice(["", *ids])
    return command


def expand(
    numbers: Sequence[int],
    draw: Callable[[Random], Any] = any_command,
    history: Sequence[Any] = (),
) -> list[Any]:
    """Write the commands of some numbers out, repetitions of earlier ones too."""
    commands = list(history)
    for number in numbers:
        rng = Random(number)
        command = draw(rng)
        if isinstance(command, Again):
            if not commands:
                continue
            earlier = copy.deepcopy(commands[-min(command.back, len(commands))])
            command = altered(rng, earlier) if command.is_altered else earlier
        else:
            command = follow(rng, command, commands)
        commands.append(command)
    return commands[len(history) :]
