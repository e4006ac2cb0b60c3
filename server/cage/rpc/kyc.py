"""Serve ``cage.player.v1.KycService``."""

from cage.app.kyc import KycApp
from cage.core.kyc import RecordVerification, VerificationMethod
from cage.player.v1 import kyc_service_pb2
from cage.rpc.interceptor import Call
from cage.rpc.player import to_player


class KycServicer:
    """Answer the rpcs of KYC; the guard has judged key, role and form."""

    def __init__(self, app: KycApp) -> None:
        self._app = app

    async def RecordVerification(
        self, request: kyc_service_pb2.RecordVerificationRequest, call: Call
    ) -> kyc_service_pb2.RecordVerificationResponse:
        """Record a passed check."""
        command = RecordVerification(
            key_id=call.key.key_id,
            request_id=request.request_id,
            player_id=request.player_id,
            method=VerificationMethod(request.method),
            reference=request.reference,
            level=request.level,
        )
        view = await self._app.record_verification(command, timeout_s=call.timeout_s)
        return kyc_service_pb2.RecordVerificationResponse(player=to_player(view))
