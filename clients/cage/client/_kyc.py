"""Call KycService: what is known about a player's identity."""

from __future__ import annotations

from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.player.v1.kyc_service_pb2 import (
    RecordVerificationRequest,
    RecordVerificationResponse,
    VerificationMethod,
)


class Kyc:
    """Call KycService with a key of role OPERATOR."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def record_verification(
        self,
        *,
        player_id: str,
        method: VerificationMethod.ValueType,
        reference: str,
        level: int,
        request_id: str | None = None,
    ) -> RecordVerificationResponse:
        """Record a check that passed; the first one activates the player.

        ``reference`` is the checker's own, without personal data; ``level`` is 1 to
        3 and never lowers the level reached.

        Raises PlayerNotFoundError, RequestMismatchError.
        """
        request = RecordVerificationRequest(
            request_id=request_id or new_id(),
            player_id=player_id,
            method=method,
            reference=reference,
            level=level,
        )
        return await self._caller.call(request, RecordVerificationResponse)
