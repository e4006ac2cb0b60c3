"""Test what the use cases of players and sessions add to their commands."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from cage.app.admin import AdminApp
from cage.app.player import PlayerApp
from cage.app.ports import Reads
from cage.app.session import SessionApp
from cage.core.admin import CreateIntegration, IntegrationChange, UpdateIntegration
from cage.core.errors import CageError, Reason
from cage.core.ids import lane_of
from cage.core.key import CreateApiKey, KeyAnswer
from cage.core.player import Gate, Player, Profile, RegisterPlayer
from cage.core.registry import (
    ApiKey,
    Brand,
    Currency,
    Operator,
    Registry,
    Role,
    index_registry,
)
from cage.core.rules import IdScopeRule
from cage.core.secret import digest_of
from cage.core.session import CreateLaunchToken, EndSession, Launch

NO_READS = cast(Reads, None)
KEY = ApiKey(
    key_no=1,
    key_id="desk",
    digest="",
    role=Role.OPERATOR,
    integration_no=0,
    operator_nos=frozenset({1}),
    display_name="",
    create_time_us=1,
    expire_time_us=0,
    revoke_time_us=0,
)


class LoopbackWriter:
    """Answer every command at once, and remember it with its lane."""

    lanes = 8

    def __init__(self, answer: Callable[[Any], object]) -> None:
        self._answer = answer
        self.sent: list[tuple[int, Any]] = []
        self.registry: Registry = index_registry(
            version=1,
            operators=[
                Operator(
                    operator_no=1, operator_id="acme", display_name="", enabled=True
                )
            ],
            brands=[
                Brand(
                    brand_no=1,
                    brand_id="vegas",
                    operator_no=1,
                    display_name="",
                    enabled=True,
                )
            ],
            integrations=[],
            studios=[],
            games=[],
            currencies=[Currency(currency_no=1, currency_code="EUR", scale=2)],
            keys=[KEY],
        )

    def submit(
        self, lane: int, command: object, *, is_bet: bool, timeout_s: float | None
    ) -> "asyncio.Future[object]":
        """Answer a command; none of these is a bet."""
        assert not is_bet
        assert timeout_s == 5
        self.sent.append((lane, command))
        future = asyncio.get_running_loop().create_future()
        future.set_result(self._answer(command))
        return future


class Bytes:
    """Draw bytes that differ each time and are the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        """Return the next bytes."""
        self._count += 1
        return self._count.to_bytes(size)


def player(command: RegisterPlayer) -> Player:
    """Answer a registration."""
    return Player(
        gate=Gate(0, 1, command.player_id, 1, 1, 1, 0, 0),
        profile=Profile(0, 1, "", "DE", 1, 1),
    )


def register(request_id: str) -> RegisterPlayer:
    """Return a registration."""
    return RegisterPlayer(
        key_id="desk",
        request_id=request_id,
        brand_id="vegas",
        display_name="",
        country_code="DE",
        jurisdiction="MT",
        language_code="en",
        currency_code="EUR",
        is_test=False,
    )


async def test_a_retried_registration_reaches_the_lane_of_the_first() -> None:
    """The request names the lane, and every id that is drawn is of that lane."""
    writer = LoopbackWriter(player)
    app = PlayerApp(
        writer=writer, reads=NO_READS, now_us=lambda: 10**15, random_bytes=Bytes()
    )
    for request_id in ("r1", "r1", "r2", "r3", "r4"):
        view = await app.register(register(request_id), timeout_s=5)
        assert (view.operator_id, view.brand_id) == ("acme", "vegas")
        assert view.currency_code == "EUR"

    lanes = [lane for lane, _ in writer.sent]
    ids = [command.player_id for _, command in writer.sent]
    assert [lane_of(player_id, 8) for player_id in ids] == lanes
    assert lanes[0] == lanes[1]
    assert len(set(lanes)) > 1
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_launch_token_is_shown_once(replayed: bool) -> None:
    """The command has the digest of the token that the answer shows."""
    writer = LoopbackWriter(
        lambda _: Launch(launch_token="", expire_time_us=9, replayed=replayed)
    )
    app = SessionApp(writer=writer, random_bytes=Bytes(), launch_token_life_s=2)
    launch = await app.create_launch_token(
        CreateLaunchToken(
            key_id="desk",
            request_id="r1",
            player_id="ann",
            game_id="book",
            currency_code="EUR",
        ),
        timeout_s=5,
    )

    ((lane, command),) = writer.sent
    assert lane == lane_of("ann", 8)
    assert command.life_us == 2_000_000
    if replayed:
        assert launch.launch_token == ""
    else:
        assert command.launch_digest == digest_of(launch.launch_token)


@pytest.mark.parametrize("replayed", [False, True])
async def test_the_secret_of_a_key_is_shown_once(replayed: bool) -> None:
    """The command has the digest of the secret that the answer shows."""
    writer = LoopbackWriter(lambda _: KeyAnswer(key=KEY, api_key="", replayed=replayed))
    app = AdminApp(writer=writer, reads=NO_READS, random_bytes=Bytes())
    answer = await app.create_key(
        CreateApiKey(
            key_id="root",
            request_id="r1",
            new_key_id="new",
            role=Role.ADMIN,
            integration_id="",
            operator_ids=(),
            display_name="",
            expire_time_us=0,
        ),
        timeout_s=5,
    )

    ((lane, command),) = writer.sent
    assert lane == 0
    if replayed:
        assert answer.api_key == ""
    else:
        assert command.digest == digest_of(answer.api_key)


async def test_a_text_that_is_no_launch_token_reaches_no_lane() -> None:
    """Another shape is refused before anything is queued."""
    writer = LoopbackWriter(lambda _: None)
    app = SessionApp(writer=writer, random_bytes=Bytes())
    with pytest.raises(CageError) as caught:
        await app.authenticate(KEY, "guess", False, 5)

    assert caught.value.reason == Reason.LAUNCH_TOKEN_INVALID
    assert not writer.sent


async def test_an_answer_of_another_kind_is_a_fault() -> None:
    """A decision that answers the wrong kind fails instead of being shown."""
    writer = LoopbackWriter(lambda _: "no number")
    app = SessionApp(writer=writer, random_bytes=Bytes())
    with pytest.raises(TypeError, match="EndSession answered str"):
        await app.end(
            EndSession(key_id="desk", request_id="r1", player_id="ann"), timeout_s=5
        )


@pytest.mark.parametrize("kind", [CreateIntegration, UpdateIntegration])
async def test_e5_shared_ids_need_one_lane(kind: type[IntegrationChange]) -> None:
    """Ids unique in an integration are refused on a database with several lanes."""
    writer = LoopbackWriter(lambda command: command)
    app = AdminApp(writer=writer, reads=NO_READS, random_bytes=Bytes())
    change = kind(
        key_id="root",
        request_id="r1",
        integration_id="hub",
        display_name="",
        enabled=True,
        rules={"id_scope": IdScopeRule.INTEGRATION},
    )
    with pytest.raises(CageError) as refusal:
        await app.change(change, kind, timeout_s=5)
    writer.lanes = 1

    assert refusal.value.reason == Reason.INVALID_FIELD
    assert refusal.value.metadata["field"] == "rules.id_scope"
    assert await app.change(change, kind, timeout_s=5) is change
