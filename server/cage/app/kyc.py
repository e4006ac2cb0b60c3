"""Run the use cases of KYC: what is known about a player's identity."""

from cage.app.player import PlayerView, submit_for_player
from cage.app.ports import Writer
from cage.core.kyc import RecordVerification


class KycApp:
    """Offer the use cases of KYC over a writer."""

    def __init__(self, *, writer: Writer) -> None:
        self._writer = writer

    async def record_verification(
        self, command: RecordVerification, *, timeout_s: float | None
    ) -> PlayerView:
        """Record a passed check."""
        return await submit_for_player(self._writer, command, timeout_s=timeout_s)
