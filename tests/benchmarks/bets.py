"""Make bets: of players at random, each with an id and a round of its own."""

import itertools
import random
from collections.abc import Sequence

from players import CURRENCY, GAME, SCALE

from cage.type.v1.money_pb2 import Money
from cage.wallet.v1.wallet_service_pb2 import BetRequest

STAKE = Money(currency_code=CURRENCY, amount=100, scale=SCALE)


class Bets:
    """Draw bets of seated players, as many as wanted."""

    def __init__(self, seated: Sequence[tuple[str, str]]) -> None:
        self._seated = seated
        self._random = random.Random()
        self._rounds = itertools.count(self._random.getrandbits(62))

    def draw(self) -> BetRequest:
        """Return the next bet."""
        player_id, session_token = self._random.choice(self._seated)
        return BetRequest(
            player_id=player_id,
            game_id=GAME,
            round_id=f"{next(self._rounds):016x}",
            transaction_id=f"{self._random.getrandbits(128):032x}",
            amount=STAKE,
            session_token=session_token,
        )
