"""Write calls of the back office in few words."""

from tests.simulation.deployment import DAY_US, GAMES, NOW_US, OFFICE_KEY, VERTICALS

from cage.core.admin import LOCAL_ACTOR, UpdateGame, UpdateIntegration
from cage.core.ids import public_id
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.core.payment import AuthorizeDeposit, CancelDeposit, TransferDeposit
from cage.core.session import CreateLaunchToken


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


def switch_game(
    request_id: str, game_id: str, *, enabled: bool, in_maintenance: bool = False
) -> UpdateGame:
    """Turn the kill switch of a game, or its maintenance."""
    return UpdateGame(
        key_id=LOCAL_ACTOR,
        request_id=request_id,
        game_id=game_id,
        studio_id=GAMES[game_id],
        display_name="",
        enabled=enabled,
        in_maintenance=in_maintenance,
        vertical=int(VERTICALS[game_id]),
    )


def require_session(
    request_id: str, integration_id: str, *, bet_needs_session: bool
) -> UpdateIntegration:
    """Set the rule of an integration, and all others to their defaults."""
    return UpdateIntegration(
        key_id=LOCAL_ACTOR,
        request_id=request_id,
        integration_id=integration_id,
        display_name="",
        enabled=True,
        rules={"bet_needs_session": 2 if bet_needs_session else 1},
    )
