"""Every rpc of the player, session, KYC and cashier services answers as documented."""

import pytest
from tests.integration.deployment import Casino, Player

from cage.cashier.v1.cashier_pb2 import PaymentKind, PaymentState
from cage.client import SessionEndedError, money
from cage.player.v1.kyc_service_pb2 import VerificationMethod
from cage.player.v1.player_pb2 import PlayerStatus

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT = VerificationMethod.VERIFICATION_METHOD_DOCUMENT
PENDING = PlayerStatus.PLAYER_STATUS_PENDING_VERIFICATION
ACTIVE = PlayerStatus.PLAYER_STATUS_ACTIVE
SUSPENDED = PlayerStatus.PLAYER_STATUS_SUSPENDED


async def test_register_player(casino: Casino) -> None:
    """A new player waits for verification and is as was sent."""
    reply = await casino.operator.players.register_player(
        brand_id=casino.brand_id,
        display_name="Ann",
        country_code="BR",
        jurisdiction="CA-ON",
        language_code="pt-BR",
        currency_code="BTC",
        is_test=True,
    )
    player = reply.player

    assert player.player_id
    assert (player.operator_id, player.brand_id) == (
        casino.operator_id,
        casino.brand_id,
    )
    assert (player.display_name, player.country_code) == ("Ann", "BR")
    assert (player.jurisdiction, player.language_code) == ("CA-ON", "pt-BR")
    assert (player.currency_code, player.is_test) == ("BTC", True)
    assert (player.status, player.kyc_level) == (PENDING, 0)
    assert player.create_time == player.update_time


async def test_get_player(player: Player) -> None:
    """A player reads with every balance."""
    reply = await player.casino.operator.players.get_player(player_id=player.player_id)

    assert reply.player.player_id == player.player_id
    assert reply.player.status == ACTIVE
    (balance,) = reply.balances

    assert (balance.currency_code, balance.cash, balance.version) == ("EUR", 10_000, 1)


async def test_list_players(casino: Casino) -> None:
    """Pages list the players of the key's operators by registration."""
    other = await casino.deployment.casino()
    made = [(await other.player("")).player_id for _ in range(5)]
    pages = other.operator.players.list_players(page_size=2).pages()
    of_brand = other.operator.players.list_players(brand_id=other.brand_id)
    found = [[row.player_id for row in page.players] async for page in pages]

    assert found == [made[:2], made[2:4], made[4:]]
    assert [row.player_id async for row in of_brand] == made


async def test_set_player_status(player: Player) -> None:
    """A status is set, told, and obeyed by reads at once."""
    players = player.casino.operator.players
    reply = await players.set_player_status(
        player_id=player.player_id, status=SUSPENDED, reason="odd bets"
    )
    read = await players.get_player(player_id=player.player_id)

    assert reply.player.status == SUSPENDED
    assert reply.player == read.player
    assert reply.player.update_time.ToNanoseconds() > (
        reply.player.create_time.ToNanoseconds()
    )


async def test_create_launch_token(player: Player) -> None:
    """A launch token is shown once, with the end of its life."""
    sessions = player.casino.operator.sessions
    request = {
        "player_id": player.player_id,
        "game_id": player.casino.game_id,
        "currency_code": "EUR",
        "request_id": player.casino.deployment.name("launch"),
    }
    first = await sessions.create_launch_token(**request)
    again = await sessions.create_launch_token(**request)

    assert first.launch_token
    assert not first.replayed
    assert (again.launch_token, again.replayed) == ("", True)
    assert again.expire_time == first.expire_time


async def test_end_session(player: Player) -> None:
    """Every open session is ended, once, and its next bet is refused."""
    tokens = [await player.session(), await player.session()]

    assert await player.end_sessions() == 2
    assert await player.end_sessions() == 0
    for token in tokens:
        with pytest.raises(SessionEndedError):
            await player.casino.studio.call(player.bet("1", session_token=token))


async def test_record_verification(casino: Casino) -> None:
    """The first check activates a player; later ones never lower the level."""
    player = await casino.player("", is_verified=False)
    seen = []
    for level in (2, 1, 3):
        reply = await casino.operator.kyc.record_verification(
            player_id=player.player_id, method=DOCUMENT, reference="r", level=level
        )
        seen.append((reply.player.status, reply.player.kyc_level))

    assert seen == [(ACTIVE, 2), (ACTIVE, 2), (ACTIVE, 3)]


async def test_record_verification_of_a_blocked_player(player: Player) -> None:
    """A check does not lift a block."""
    await player.set_status(SUSPENDED)
    reply = await player.casino.operator.kyc.record_verification(
        player_id=player.player_id, method=DOCUMENT, reference="r", level=3
    )

    assert (reply.player.status, reply.player.kyc_level) == (SUSPENDED, 3)


async def test_authorize_deposit(player: Player) -> None:
    """An authorized deposit moves nothing yet."""
    reply = await player.casino.operator.cashier.authorize_deposit(
        player_id=player.player_id, amount=money("EUR", "5"), payment_method="card"
    )
    payment = reply.payment

    assert payment.kind == PaymentKind.PAYMENT_KIND_DEPOSIT
    assert payment.state == PaymentState.PAYMENT_STATE_AUTHORIZED
    assert payment.amount == player.money("5.00")
    assert (payment.player_id, payment.payment_method) == (player.player_id, "card")
    assert not payment.psp_reference
    assert await player.cash() == 10_000


async def test_transfer_deposit(player: Player) -> None:
    """A deposit is credited once, by the amount that was taken, block or not."""
    cashier = player.casino.operator.cashier
    authorized = await cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("5.00"), payment_method="card"
    )
    await player.set_status(SUSPENDED)
    replies = [
        await cashier.transfer_deposit(
            player_id=player.player_id,
            payment_id=authorized.payment.payment_id,
            amount=player.money("4.50"),
            psp_reference="psp-1",
        )
        for _ in range(2)
    ]

    assert [reply.replayed for reply in replies] == [False, True]
    for reply in replies:
        assert reply.payment.state == PaymentState.PAYMENT_STATE_SUCCESSFUL
        assert reply.payment.amount == player.money("4.50")
        assert reply.payment.psp_reference == "psp-1"
        assert (reply.balance.cash, reply.balance.version) == (10_450, 2)


async def test_cancel_deposit(player: Player) -> None:
    """A cancelled deposit moves nothing."""
    cashier = player.casino.operator.cashier
    authorized = await cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("5.00"), payment_method="card"
    )
    reply = await cashier.cancel_deposit(
        player_id=player.player_id,
        payment_id=authorized.payment.payment_id,
        reason="declined",
    )

    assert reply.payment.state == PaymentState.PAYMENT_STATE_CANCELLED
    assert await player.cash() == 10_000


async def test_get_payment(player: Player) -> None:
    """A payment reads as it stands now."""
    cashier = player.casino.operator.cashier
    authorized = await cashier.authorize_deposit(
        player_id=player.player_id, amount=player.money("5.00"), payment_method="card"
    )
    reply = await cashier.get_payment(
        player_id=player.player_id, payment_id=authorized.payment.payment_id
    )

    assert reply.payment == authorized.payment


async def test_open_wallet(player: Player) -> None:
    """A wallet in another currency is open from the answer on, and empty."""
    reply = await player.casino.operator.players.open_wallet(
        player_id=player.player_id, currency_code="USD"
    )
    balance = await player.casino.studio.wallet.get_balance(
        player_id=player.player_id, game_id=player.casino.game_id, currency_code="USD"
    )

    assert list(reply.player.more_currency_codes) == ["USD"]
    assert (balance.balance.currency_code, balance.balance.cash) == ("USD", 0)
