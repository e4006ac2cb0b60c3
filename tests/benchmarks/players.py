"""Register, verify, fund and seat players through real calls, many at a time.

A program of its own: it takes the number of players and the file to write them to,
as a JSON list of (player id, session token).
"""

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from cage.cashier.v1.cashier_service_pb2 import (
    AuthorizeDepositRequest,
    TransferDepositRequest,
)
from cage.cashier.v1.cashier_service_pb2_grpc import CashierServiceStub
from cage.player.v1.kyc_service_pb2 import (
    VERIFICATION_METHOD_DOCUMENT,
    RecordVerificationRequest,
)
from cage.player.v1.kyc_service_pb2_grpc import KycServiceStub
from cage.player.v1.player_service_pb2 import RegisterPlayerRequest
from cage.player.v1.player_service_pb2_grpc import PlayerServiceStub
from cage.player.v1.session_service_pb2 import CreateLaunchTokenRequest
from cage.player.v1.session_service_pb2_grpc import SessionServiceStub
from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_service_pb2 import AuthenticateRequest
from cage.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub

IN_FLIGHT = 64
TIMEOUT_S = 30.0
BRAND, GAME, CURRENCY, SCALE = "demo-casino", "demo-slots", "INR", 2
FUNDS = Money(currency_code=CURRENCY, amount=10**12, scale=SCALE)


class Desk:
    """Make players ready to play, over one channel."""

    def __init__(self, channel: grpc.aio.Channel, operator: str, studio: str) -> None:
        self._players = PlayerServiceStub(channel)
        self._kyc = KycServiceStub(channel)
        self._cashier = CashierServiceStub(channel)
        self._sessions = SessionServiceStub(channel)
        self._wallet = WalletServiceStub(channel)
        self._operator: dict[str, Any] = {
            "metadata": _metadata(operator),
            "timeout": TIMEOUT_S,
        }
        self._studio: dict[str, Any] = {
            "metadata": _metadata(studio),
            "timeout": TIMEOUT_S,
        }

    async def seat(self) -> tuple[str, str]:
        """Make one player and return its id and its session token."""
        player_id = await self._register()
        await self._fund(player_id)
        launch = await self._sessions.CreateLaunchToken(
            CreateLaunchTokenRequest(
                request_id=secrets.token_hex(16),
                player_id=player_id,
                game_id=GAME,
                currency_code=CURRENCY,
            ),
            **self._operator,
        )
        opened = await self._wallet.Authenticate(
            AuthenticateRequest(launch_token=launch.launch_token), **self._studio
        )
        return player_id, opened.session_token

    async def _register(self) -> str:
        registered = await self._players.RegisterPlayer(
            RegisterPlayerRequest(
                request_id=secrets.token_hex(16),
                brand_id=BRAND,
                country_code="IN",
                jurisdiction="MT",
                currency_code=CURRENCY,
            ),
            **self._operator,
        )
        player_id = registered.player.player_id
        await self._kyc.RecordVerification(
            RecordVerificationRequest(
                request_id=secrets.token_hex(16),
                player_id=player_id,
                method=VERIFICATION_METHOD_DOCUMENT,
                reference="benchmark",
                level=1,
            ),
            **self._operator,
        )
        return str(player_id)

    async def _fund(self, player_id: str) -> None:
        authorized = await self._cashier.AuthorizeDeposit(
            AuthorizeDepositRequest(
                request_id=secrets.token_hex(16),
                player_id=player_id,
                amount=FUNDS,
                payment_method="card",
            ),
            **self._operator,
        )
        await self._cashier.TransferDeposit(
            TransferDepositRequest(
                player_id=player_id,
                payment_id=authorized.payment.payment_id,
                amount=FUNDS,
                psp_reference=secrets.token_hex(16),
            ),
            **self._operator,
        )


def _metadata(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


async def run(count: int) -> list[tuple[str, str]]:
    """Make players, IN_FLIGHT at a time."""
    async with grpc.aio.insecure_channel(os.environ["BENCH_ADDRESS"]) as channel:
        desk = Desk(channel, os.environ["BENCH_OPERATOR_KEY"], os.environ["BENCH_KEY"])

        left = iter(range(count))

        async def work() -> list[tuple[str, str]]:
            return [await desk.seat() for _ in left]

        made = await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return [player for part in made for player in part]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(uvloop.run(run(int(sys.argv[1])))))
