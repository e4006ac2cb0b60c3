"""Tell what players do: short stories of one round each, with what must come of them.

Every player has far more money than all stories stake, and every story has a round
and ids of its own. So what a step answers and moves depends only on the steps before
it in its story, however the stories of a player interleave.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from google.protobuf.message import Message

from cage.client import CageError, OperationReply, OperationRequest, requests
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_pb2 import AwardKind, Receipt, RoundState
from cage.wallet.v1.wallet_service_pb2 import (
    CaptureRequest,
    CloseRoundRequest,
    CloseRoundResponse,
    PlayRequest,
    PlayResponse,
    ReleaseRequest,
    RollbackRequest,
)

GAMES = ("demo-slots", "demo-roulette")
CURRENCY, SCALE = "EUR", 2
FUNDS = 10**11
TOO_MUCH = 10**15

Answer = OperationReply | CageError


def euro(units: int) -> Money:
    """Build an amount of cents."""
    return Money(currency_code=CURRENCY, amount=units, scale=SCALE)


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """Hold one command, what must come of it, and what was answered so far."""

    request: OperationRequest
    # Cash that each receipt shows.
    shown: tuple[int, ...] = ()
    # Cash that each row moves; a retry of another id shows what it does not move.
    moved: tuple[int, ...] = ()
    # What goes to the reserved balance (positive) or comes from it.
    held: int = 0
    # Stakes and wins of a closed round.
    round_sums: tuple[int, int] | None = None
    # Why it is refused; empty when it is not.
    reason: str = ""
    # Whether the command can be found under its ids once it is answered.
    leaves_trace: bool = True
    is_tombstone: bool = False
    answers: list[Answer] = field(default_factory=list)
    # When it was sent first, on the monotonic clock.
    send_time: float = 0.0
    # Why answers did not come.
    failures: list[CageError] = field(default_factory=list)

    @property
    def transaction_ids(self) -> list[str]:
        """List the ids of the money movements it asks for."""
        if isinstance(self.request, PlayRequest):
            return [action.transaction_id for action in self.request.actions]
        if isinstance(self.request, CloseRoundRequest):
            return []
        return [self.request.transaction_id]  # type: ignore[union-attr]

    @property
    def is_rollback(self) -> bool:
        """Say whether its ids are those of rollbacks and releases."""
        return isinstance(self.request, RollbackRequest | ReleaseRequest)

    @property
    def is_capture(self) -> bool:
        """Say whether its ids are those of captures."""
        return isinstance(self.request, CaptureRequest)

    def judge(self, answer: Answer) -> None:
        """Hold an answer against what must come and against every earlier answer."""
        self._judge_figures(answer)
        for earlier in self.answers:
            assert facts(answer) == facts(earlier), self.request

        self.answers.append(answer)

    def _judge_figures(self, answer: Answer) -> None:
        if isinstance(answer, CageError):
            assert answer.reason == self.reason, (answer, self.request)
            return
        if isinstance(answer, CloseRoundResponse):
            closed = answer.round
            sums = (closed.bet_amount.amount, closed.win_amount.amount)

            assert sums == self.round_sums
            assert closed.state == RoundState.ROUND_STATE_CLOSED
            return
        found = receipts_of(answer)

        assert not self.reason, self.request
        assert [receipt.transaction_id for receipt in found] == self.transaction_ids
        assert tuple(receipt.cash.amount for receipt in found) == self.shown
        assert getattr(answer, "tombstone", False) == self.is_tombstone

        for receipt in found:
            held = receipt.after.reserved - receipt.before.reserved
            assert held == receipt.reserved.amount == self.held
            moved = receipt.after.cash - receipt.before.cash
            assert moved == receipt.cash.amount
            assert receipt.bonus.amount == receipt.after.bonus == 0


def receipts_of(reply: OperationReply) -> Sequence[Receipt]:
    """Return the receipts of a reply about money."""
    if isinstance(reply, PlayResponse):
        return reply.receipts
    return [reply.receipt]  # type: ignore[union-attr]


def is_replay(answer: Answer) -> bool:
    """Say whether an answer says that nothing moved now."""
    if isinstance(answer, CageError):
        return False
    if isinstance(answer, PlayResponse | CloseRoundResponse):
        return answer.replayed
    return receipts_of(answer)[0].replayed


def facts(answer: Answer) -> object:
    """Return what a retry must answer again: all but the time of asking."""
    if isinstance(answer, CageError):
        return answer.reason, answer.code, answer.advice
    copy: Message = type(answer)()
    copy.CopyFrom(answer)
    if isinstance(copy, PlayResponse):
        copy.ClearField("balance")
    if isinstance(copy, PlayResponse | CloseRoundResponse):
        copy.replayed = False
    if not isinstance(copy, CloseRoundResponse):
        for receipt in receipts_of(copy):  # type: ignore[arg-type]
            receipt.ClearField("current")
            receipt.replayed = False
    return copy


@dataclass(slots=True, kw_only=True)
class Story:
    """Hold the steps of one round of one player, in order."""

    name: str
    player_id: str
    game_id: str
    steps: list[Step] = field(default_factory=list)
    # How many steps were handed to a client.
    sent_count: int = 0

    @property
    def sent(self) -> list[Step]:
        """List the steps that were sent."""
        return self.steps[: self.sent_count]

    def place(self) -> dict[str, Any]:
        """Return what every request about the round carries."""
        return {
            "player_id": self.player_id,
            "game_id": self.game_id,
            "round_id": self.name,
        }

    def bet(self, name: str, stake: int, *, closes: bool = False) -> None:
        """Add a bet."""
        request = requests.bet(
            **self.place(),
            amount=euro(stake),
            transaction_id=f"{self.name}.{name}",
            round_closed=closes,
            details="first bet" if name == "a" else "",
        )
        self.steps.append(Step(request=request, shown=(-stake,), moved=(-stake,)))

    def win(
        self, name: str, prize: int, *, bet: str = "", closes: bool = False
    ) -> None:
        """Add a win, of a bet or of the round."""
        request = requests.win(
            **self.place(),
            amount=euro(prize),
            transaction_id=f"{self.name}.{name}",
            bet_transaction_id=f"{self.name}.{bet}" if bet else "",
            round_closed=closes,
        )
        self.steps.append(Step(request=request, shown=(prize,), moved=(prize,)))

    def close(self, stakes: int, prizes: int) -> None:
        """Add the close of the round."""
        request = requests.close_round(**self.place())
        self.steps.append(Step(request=request, round_sums=(stakes, prizes)))

    def play(self, amounts: Sequence[int], *, closes: bool) -> None:
        """Add a play; stakes are negative amounts."""
        actions = []
        for number, amount in enumerate(amounts):
            name = f"{self.name}.p{number}"
            build = requests.play_bet if amount < 0 else requests.play_win
            actions.append(build(amount=euro(abs(amount)), transaction_id=name))
        request = requests.play(**self.place(), actions=actions, round_closed=closes)
        self.steps.append(
            Step(request=request, shown=tuple(amounts), moved=tuple(amounts))
        )

    def reserve(self, name: str, stake: int) -> None:
        """Add a reserve."""
        request = requests.reserve(
            **self.place(), amount=euro(stake), transaction_id=f"{self.name}.{name}"
        )
        step = Step(request=request, shown=(-stake,), moved=(-stake,), held=stake)
        self.steps.append(step)

    def capture(self, name: str, stake: int, reserve: str) -> None:
        """Add a capture, which moves no cash."""
        request = requests.capture(
            **self.place(),
            amount=euro(stake),
            transaction_id=f"{self.name}.{name}",
            reserve_transaction_id=f"{self.name}.{reserve}",
        )
        self.steps.append(Step(request=request, shown=(0,), moved=(0,), held=-stake))

    def release(self, name: str, rest: int, reserve: str) -> None:
        """Add the release of what is left of a reserve."""
        request = requests.release(
            player_id=self.player_id,
            transaction_id=f"{self.name}.{name}",
            reserve_transaction_id=f"{self.name}.{reserve}",
        )
        step = Step(request=request, shown=(rest,), moved=(rest,), held=-rest)
        self.steps.append(step)

    def roll_back(self, original: str, name: str, shown: int, moved: int = 0) -> Step:
        """Add a rollback; ``shown`` is what its receipt says, ``moved`` is what is."""
        request = requests.rollback(
            player_id=self.player_id,
            original_transaction_id=f"{self.name}.{original}",
            transaction_id=f"{self.name}.{name}",
        )
        step = Step(request=request, shown=(shown,), moved=(moved,))
        self.steps.append(step)
        return step


def _spin(story: Story, rng: Random) -> None:
    stake, prize = rng.randint(1, 500), rng.choice((0, rng.randint(1, 2_000)))
    story.bet("a", stake)
    story.win("b", prize, bet="a")
    story.close(stake, prize)
    story.close(stake, prize)
    # Which of the two closed the round cannot be seen.
    story.steps[-1].leaves_trace = False


def _loss(story: Story, rng: Random) -> None:
    story.bet("a", rng.randint(0, 500))
    story.win("b", 0, closes=True)


def _two_bets(story: Story, rng: Random) -> None:
    first, second, prize = (rng.randint(1, 500) for _ in range(3))
    story.bet("a", first)
    story.bet("b", second, closes=True)
    story.win("c", prize, bet="a")
    story.win("d", prize)


def _taken_back(story: Story, rng: Random) -> None:
    stake = rng.randint(1, 500)
    story.bet("a", stake)
    # The id of a rollback may be that of its original.
    story.roll_back("a", "a", stake, stake)
    story.roll_back("a", "r", stake)


def _never_sent(story: Story, rng: Random) -> None:
    story.roll_back("a", "r", 0).is_tombstone = True
    story.bet("a", rng.randint(1, 500))
    late = story.steps[-1]
    late.reason, late.moved, late.leaves_trace = "ALREADY_ROLLED_BACK", (), False


def _poor(story: Story, _: Random) -> None:
    story.bet("a", TOO_MUCH)
    refused = story.steps[-1]
    refused.reason, refused.moved = "INSUFFICIENT_FUNDS", ()
    story.roll_back("a", "r", 0)


def _play(story: Story, rng: Random) -> None:
    amounts = [-rng.randint(1, 500) for _ in range(rng.randint(1, 3))]
    amounts += [rng.randint(0, 900) for _ in range(rng.randint(0, 3))]
    closes = rng.random() < 0.5
    story.play(amounts, closes=closes)
    if rng.random() < 0.4:
        back = -sum(amounts)
        story.roll_back(f"p{rng.randrange(len(amounts))}", "r", back, back)
    elif not closes:
        stakes = -sum(amount for amount in amounts if amount < 0)
        story.close(stakes, sum(amounts) + stakes)


def _poor_play(story: Story, rng: Random) -> None:
    story.play([-rng.randint(1, 500), 100, -TOO_MUCH], closes=True)
    refused = story.steps[-1]
    refused.reason, refused.moved = "INSUFFICIENT_FUNDS", ()


def _two_phases(story: Story, rng: Random) -> None:
    stake = rng.randint(2, 500)
    first = rng.randint(1, stake - 1)
    second, prize = rng.randint(0, stake - first), rng.randint(0, 900)
    story.reserve("a", stake)
    # Captures and releases have ids of their own: they may be that of the reserve.
    story.capture("a", first, "a")
    story.capture("b", second, "a")
    story.release("a", stake - first - second, "a")
    story.win("c", prize, bet="a")
    story.close(first + second, prize)


def _award(story: Story, rng: Random) -> None:
    prize = rng.randint(0, 5_000)
    request = requests.award(
        player_id=story.player_id,
        game_id=story.game_id,
        amount=euro(prize),
        kind=AwardKind.AWARD_KIND_PROMO,
        transaction_id=f"{story.name}.a",
    )
    story.steps.append(Step(request=request, shown=(prize,), moved=(prize,)))


PLOTS: dict[Callable[[Story, Random], None], int] = {
    _spin: 5,
    _loss: 3,
    _two_bets: 2,
    _taken_back: 3,
    _never_sent: 1,
    _poor: 1,
    _play: 4,
    _poor_play: 1,
    _two_phases: 3,
    _award: 1,
}


class Teller:
    """Draw stories for a set of players and keep those that were begun."""

    def __init__(self, rng: Random, player_ids: Sequence[str], name: str) -> None:
        self.player_ids = player_ids
        self.stories: list[Story] = []
        self._rng = rng
        self._name = name

    def tell(self) -> Story:
        """Begin a story of a random player."""
        rng = self._rng
        story = Story(
            name=f"{self._name}-{len(self.stories)}",
            player_id=rng.choice(self.player_ids),
            game_id=rng.choice(GAMES),
        )
        (plot,) = rng.choices(list(PLOTS), weights=list(PLOTS.values()))
        plot(story, rng)
        self.stories.append(story)
        return story
