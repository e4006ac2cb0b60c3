"""Draw commands that collide: few players, ids and rounds, amounts near a balance.

A command follows from one number, so that Hypothesis shrinks a failing history by
leaving commands out, and a seeded test draws the same ones.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st
from tests.simulation.deployment import (
    DAY_US,
    LATE_KEY,
    OFFICE_KEY,
    SESSIONS,
    VERTICALS,
    authenticate,
    create_key,
    register_player,
    set_blocks,
    set_status,
)
from tests.simulation.follow import IDS, an_id, follow
from tests.simulation.office import (
    authorize,
    cancel,
    launch,
    require_session,
    switch_game,
    transfer,
    verification,
)
from tests.simulation.rules import switch_rules
from tests.simulation.spoils import altered

from cage.core.adjust import Adjust, Reference
from cage.core.admin import LOCAL_ACTOR
from cage.core.jurisdiction import LimitPeriod
from cage.core.key import RevokeApiKey
from cage.core.limit import (
    LimitCurrencyRule,
    LimitKind,
    LimitOrigin,
    ListLimits,
    RemoveLimit,
    SetLimit,
)
from cage.core.player import GetPlayer, OpenWallet, PlayerStatus
from cage.core.reservation import Capture, ExpireReserve, Reserve
from cage.core.session import Authenticate, EndSession
from cage.core.wallet import (
    Award,
    Bet,
    BetKind,
    CloseRound,
    GetBalance,
    Kind,
    Original,
    Play,
    Reinstate,
    Rollback,
    RollbackList,
    RollbackRound,
    Win,
)

AMOUNTS = [0, 1, 3, 10, 40, 50, 70, 90, 100, 101, 149, 150, 151]
STATUSES = [PlayerStatus.ACTIVE] * 5 + list(PlayerStatus)
RARE_KEYS = ["wide-key", LATE_KEY]

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
        "key_id": rng.choice(["hub-key"] * 24 + ["strict-key"] * 4 + RARE_KEYS),
        "player_id": rng.choice(["ann"] * 4 + ["bob"]),
        "game_id": rng.choice(["slots"] * 12 + ["dice", "wheel"]),
        "round_id": rng.choice(["r1", "r1", "r2", "r4"]),
    }


def own_key(rng: Random, key_id: str) -> str:
    """Draw now and then the key under which the process itself finishes rounds."""
    own = [f"caged:rounds:{integration}" for integration in ("hub", "strict")]
    return rng.choice(own) if rng.random() < 0.15 else key_id


def money(rng: Random) -> dict[str, Any]:
    """Draw the fields of a Money."""
    return {"currency_code": "EUR", "amount": rng.choice(AMOUNTS), "scale": 2}


def is_closed(rng: Random) -> bool:
    """Draw whether a call closes its round."""
    return rng.random() < 0.12


def session(rng: Random) -> str:
    """Draw a session, mostly none."""
    return rng.choice(["s-ann", "s-lobby"]) if rng.random() < 0.12 else ""


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
    kinds = [Kind.UNSPECIFIED] * 12 + [Kind.BET] * 3 + [Kind.WIN, Kind.ROLLBACK]
    amount = money(rng) if rng.random() < 0.3 else {}
    return Rollback(
        **amount,
        key_id=own_key(rng, place_["key_id"]),
        player_id=place_["player_id"],
        transaction_id=rng.choice([original_id, rng.choice(IDS)]),
        original_id=original_id,
        original_kind=rng.choice(kinds),
        round_closed=is_closed(rng),
    )


def rollback_list(rng: Random) -> RollbackList:
    """Draw a rollback of up to four originals with different ids."""
    where = place(rng)
    ids = list({an_id(rng): None for _ in range(rng.choice([1, 2, 2, 3, 4]))})
    kinds = [Kind.UNSPECIFIED] * 20 + [Kind.BET, Kind.WIN, Kind.REINSTATE]
    return RollbackList(
        key_id=where["key_id"],
        player_id=where["player_id"],
        transaction_id=rng.choice(IDS),
        originals=tuple(
            Original(transaction_id=id_, kind=rng.choice(kinds)) for id_ in ids
        ),
        round_closed=is_closed(rng),
    )


def rollback_round(rng: Random) -> RollbackRound:
    """Draw the rollback of a round, mostly one that others play in."""
    where = place(rng)
    where["round_id"] = rng.choice([where["round_id"], "r3"])
    return RollbackRound(
        **where, transaction_id=rng.choice(IDS), round_closed=is_closed(rng)
    )


def reinstate(rng: Random) -> Reinstate:
    """Draw the undo of a rollback, under an id of its own or that of the rollback."""
    where = place(rng)
    rollback_id = rng.choice(IDS)
    return Reinstate(
        key_id=where["key_id"],
        player_id=where["player_id"],
        transaction_id=rng.choice([rollback_id, rng.choice(IDS)]),
        rollback_id=rollback_id,
        round_closed=is_closed(rng),
    )


def close_round(rng: Random) -> CloseRound:
    """Draw the close of a round."""
    place_ = place(rng)
    return CloseRound(**{**place_, "key_id": own_key(rng, place_["key_id"])})


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


def adjust(rng: Random) -> Adjust:
    """Draw an adjustment of one transaction, or of two."""
    where = place(rng)
    kinds = [Kind.UNSPECIFIED] * 6 + [Kind.BET, Kind.WIN]
    names = {rng.choice(IDS) for _ in range(rng.choice([1, 1, 2]))}
    return Adjust(
        **where,
        currency_code="EUR",
        delta=rng.choice(AMOUNTS) * rng.choice([1, -1, -1]),
        scale=2,
        transaction_id=an_id(rng),
        references=tuple(
            Reference(transaction_id=name, kind=rng.choice(kinds))
            for name in sorted(names)
        ),
        round_closed=is_closed(rng),
    )


def reserve(rng: Random) -> Reserve:
    """Draw a reserve, now and then one whose life is over at once."""
    return Reserve(
        **place(rng),
        **money(rng),
        transaction_id=an_id(rng),
        session_digest=session(rng),
        life_us=rng.choice([0, 0, -1]),
    )


def capture(rng: Random) -> Capture:
    """Draw a capture."""
    return Capture(
        **place(rng),
        currency_code="EUR",
        amount=rng.choice([0, 1, 3, 10, 40]),
        scale=2,
        transaction_id=an_id(rng),
        reserve_transaction_id=rng.choice(IDS),
        round_closed=is_closed(rng),
    )


def release(rng: Random) -> Rollback:
    """Draw a release."""
    drawn = rollback(rng)
    drawn.original_kind, drawn.releases = Kind.RESERVE, True
    drawn.currency_code, drawn.amount, drawn.scale = "", 0, -1
    return drawn


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
    *[rollback] * 4,
    *[rollback_list] * 2,
    rollback_round,
    *[reinstate] * 3,
    *[award] * 2,
    *[adjust] * 2,
    *[reserve] * 3,
    *[capture] * 3,
    *[release] * 2,
    close_round,
    get_balance,
]


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
            draw_switch(rng, name, player_id),
            require_session(name, "hub", bet_needs_session=rng.random() < 0.3),
            *[switch_rules(rng, name) for _ in range(3)],
            EndSession(key_id=OFFICE_KEY, request_id=name, player_id=player_id),
            authenticate("s-ann", f"s-fresh{rng.choice(['', '-2'])}"),
            register_player("newcomer", "acme-one", "EUR"),
            set_status("activate-newcomer", "newcomer", PlayerStatus.ACTIVE),
            create_key(LATE_KEY, "hub", ("acme",)),
            RevokeApiKey(key_id=LOCAL_ACTOR, request_id=name, revoked_key_id=LATE_KEY),
            *[limit(rng, name, player_id) for _ in range(3)],
            ListLimits(key_id=OFFICE_KEY, player_id=player_id),
            authorize(name, player_id, amount),
            transfer(rng.randint(65, 80), player_id, amount),
            cancel(name, rng.randint(65, 80), player_id),
            launch(name, player_id, rng.choice(["slots", "dice", "lost"])),
            exchange(rng, player_id),
            verification(name, player_id, rng.randint(0, 3)),
            GetPlayer(key_id=OFFICE_KEY, player_id=player_id),
            *[
                ExpireReserve(player_id=player_id, reserve_no=rng.randint(60, 80))
                for _ in range(3)
            ],
        ]
    )


def limit(rng: Random, name: str, player_id: str) -> object:
    """Set or remove a limit, mostly one that bets come close to."""
    kind = rng.choice([kind for kind in LimitKind for _ in range(kind)])
    periods = [LimitPeriod.DAY, LimitPeriod.WEEK, LimitPeriod.MONTH]
    is_stake = kind == LimitKind.STAKE
    which: dict[str, Any] = {
        "key_id": OFFICE_KEY,
        "request_id": name,
        "player_id": player_id,
        "kind": kind,
        "period": LimitPeriod.BET if is_stake else rng.choice(periods),
        "origin": rng.choice(list(LimitOrigin)),
        "currency_code": rng.choice(["EUR"] * 9 + ["USD"]),
    }
    if rng.random() < 0.25:
        return RemoveLimit(**which)
    amount = rng.choice([0, 40, 60, 100, 200, 400, 400])
    rule = rng.choice([0, 0, *LimitCurrencyRule])
    return SetLimit(**which, amount=amount, scale=2, currency_rule=int(rule))


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


# Nothing, everything, the vertical of slots, that of dice.
BLOCKS = [0, 0, 0, 0, 0, 1, 1 << VERTICALS["slots"], 1 << VERTICALS["dice"]]


def draw_switch(rng: Random, name: str, player_id: str) -> object:
    """Draw a switch of a game, or blocks or one more wallet of a player."""
    roll = rng.random()
    if roll < 0.2:
        return OpenWallet(
            key_id=OFFICE_KEY,
            request_id=name,
            player_id=player_id,
            currency_code=rng.choice(["USD", "EUR"]),
        )
    if roll < 0.4:
        return set_blocks(name, player_id, rng.choice(BLOCKS))
    return switch_game(
        name,
        rng.choice(["slots", "dice"]),
        enabled=rng.random() < 0.8,
        in_maintenance=rng.random() < 0.1,
    )


def any_command(rng: Random) -> Any:
    """Draw a wallet command, a repetition or a change."""
    roll = rng.random()
    if roll < 0.15:
        return change(rng)
    return again(rng) if roll < 0.35 else wallet_command(rng)


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
