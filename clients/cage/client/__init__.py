"""Call Cage, the casino wallet and player account management, from Python.

    async with connect("127.0.0.1:7440", key=key) as client:
        reply = await client.wallet.bet(
            player_id=player_id,
            game_id="slots",
            round_id="1",
            amount=money("INR", "5.00"),
        )

Async first; ``cage.client.sync`` is the same for blocking code,
``cage.client.requests`` builds the items of a batch, ``cage.client.testing`` is a fake
server for tests. Requests and replies are the messages of the contract
(``cage.*.v1``); those that say how an integration's wallet behaves are here too:
``WalletRules(late_win=Verdict.VERDICT_REFUSE)``. Every call has a deadline, is
retried under one id while that can help, and fails with a subclass of CageError.
What happens is told by ``async for event in client.events.subscribe(cursor=...)``,
which reconnects and resumes by itself.
"""

from cage.admin.v1.admin_pb2 import (
    UnfinishedRoundAction,
)
from cage.client._admin import (
    Admin,
)
from cage.client._cashier import (
    Cashier,
)
from cage.client._channel import (
    Tls,
)
from cage.client._client import (
    Client,
    connect,
)
from cage.client._contract import (
    Method,
    methods,
)
from cage.client._errors import (
    AlreadyRolledBackError,
    AlreadySettledError,
    AmountOutOfRangeError,
    BalanceOutOfRangeError,
    BetNotFoundError,
    BrandNotFoundError,
    CageError,
    ConflictError,
    CredentialError,
    CurrencyMismatchError,
    CurrencyNotFoundError,
    CursorInvalidError,
    DatabaseUnavailableError,
    DeadlineTooShortError,
    FreeRoundsUnavailableError,
    GameNotFoundError,
    GameUnavailableError,
    IdTakenError,
    InsufficientFundsError,
    IntegrationNotFoundError,
    InternalError,
    InvalidFieldError,
    InvalidRequestError,
    KeyInvalidError,
    KeyMissingError,
    KeyNotFoundError,
    KycRequiredError,
    LaunchTokenExpiredError,
    LaunchTokenInvalidError,
    MaintenanceError,
    NotFoundError,
    OperatorNotFoundError,
    OverloadedError,
    PageTokenInvalidError,
    PaymentNotFoundError,
    PaymentStateError,
    PlayerBlockedError,
    PlayerNotFoundError,
    ReferenceMismatchError,
    RefusedError,
    ReinstateNotAllowedError,
    RequestMismatchError,
    RoleNotAllowedError,
    RollbackNotAllowedError,
    RoundClosedError,
    RoundNotFoundError,
    ScaleMismatchError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
    SessionRequiredError,
    ShuttingDownError,
    StudioNotFoundError,
    TransactionMismatchError,
    TransactionNotFoundError,
    TryAgainError,
    UnknownOutcomeError,
)
from cage.client._events import (
    Events,
)
from cage.client._feed import (
    Feed,
)
from cage.client._ids import (
    new_id,
)
from cage.client._kyc import (
    Kyc,
)
from cage.client._limit_errors import (
    DepositLimitError,
    LimitChangeNotDueError,
    LimitNotFoundError,
    LossLimitError,
    RealityCheckDueError,
    SessionTimeLimitError,
    StakeLimitError,
    WagerLimitError,
)
from cage.client._money import (
    decimal_text,
    money,
)
from cage.client._pages import (
    Pager,
)
from cage.client._players import (
    Players,
)
from cage.client._reserve_errors import (
    ReserveExceededError,
    ReserveExpiredError,
    ReserveNotFoundError,
    ReserveReleasedError,
)
from cage.client._responsible_gaming import (
    ResponsibleGaming,
)
from cage.client._retry import (
    RetryPolicy,
    Waiting,
)
from cage.client._sessions import (
    Sessions,
)
from cage.client._stream import (
    Stream,
)
from cage.client._wallet import (
    OperationReply,
    OperationRequest,
    Wallet,
)
from cage.event.v1.event_pb2 import (
    EventType,
)
from cage.player.v1.responsible_gaming_pb2 import (
    Limit,
    LimitCurrencyRule,
    LimitKind,
    LimitOrigin,
    LimitPeriod,
)
from cage.wallet.v1.wallet_pb2 import (
    AdjustOverdraftRule,
    BetSessionRule,
    IdScopeRule,
    IdsPerKindRule,
    PlayFundsRule,
    RefusedBetRule,
    RollbackAmountRule,
    SessionScope,
    SettlementRule,
    Verdict,
    WalletRules,
    WinRollbackRule,
    WinsPerBetRule,
)

__all__ = [
    "AdjustOverdraftRule",
    "Admin",
    "AlreadyRolledBackError",
    "AlreadySettledError",
    "AmountOutOfRangeError",
    "BalanceOutOfRangeError",
    "BetNotFoundError",
    "BetSessionRule",
    "BrandNotFoundError",
    "CageError",
    "Cashier",
    "Client",
    "ConflictError",
    "CredentialError",
    "CurrencyMismatchError",
    "CurrencyNotFoundError",
    "CursorInvalidError",
    "DatabaseUnavailableError",
    "DeadlineTooShortError",
    "DepositLimitError",
    "EventType",
    "Events",
    "Feed",
    "FreeRoundsUnavailableError",
    "GameNotFoundError",
    "GameUnavailableError",
    "IdScopeRule",
    "IdTakenError",
    "IdsPerKindRule",
    "InsufficientFundsError",
    "IntegrationNotFoundError",
    "InternalError",
    "InvalidFieldError",
    "InvalidRequestError",
    "KeyInvalidError",
    "KeyMissingError",
    "KeyNotFoundError",
    "Kyc",
    "KycRequiredError",
    "LaunchTokenExpiredError",
    "LaunchTokenInvalidError",
    "Limit",
    "LimitChangeNotDueError",
    "LimitCurrencyRule",
    "LimitKind",
    "LimitNotFoundError",
    "LimitOrigin",
    "LimitPeriod",
    "LossLimitError",
    "MaintenanceError",
    "Method",
    "NotFoundError",
    "OperationReply",
    "OperationRequest",
    "OperatorNotFoundError",
    "OverloadedError",
    "PageTokenInvalidError",
    "Pager",
    "PaymentNotFoundError",
    "PaymentStateError",
    "PlayFundsRule",
    "PlayerBlockedError",
    "PlayerNotFoundError",
    "Players",
    "RealityCheckDueError",
    "ReferenceMismatchError",
    "RefusedBetRule",
    "RefusedError",
    "ReinstateNotAllowedError",
    "RequestMismatchError",
    "ReserveExceededError",
    "ReserveExpiredError",
    "ReserveNotFoundError",
    "ReserveReleasedError",
    "ResponsibleGaming",
    "RetryPolicy",
    "RoleNotAllowedError",
    "RollbackAmountRule",
    "RollbackNotAllowedError",
    "RoundClosedError",
    "RoundNotFoundError",
    "ScaleMismatchError",
    "SessionEndedError",
    "SessionExpiredError",
    "SessionNotFoundError",
    "SessionRequiredError",
    "SessionScope",
    "SessionTimeLimitError",
    "Sessions",
    "SettlementRule",
    "ShuttingDownError",
    "StakeLimitError",
    "Stream",
    "StudioNotFoundError",
    "Tls",
    "TransactionMismatchError",
    "TransactionNotFoundError",
    "TryAgainError",
    "UnfinishedRoundAction",
    "UnknownOutcomeError",
    "Verdict",
    "WagerLimitError",
    "Waiting",
    "Wallet",
    "WalletRules",
    "WinRollbackRule",
    "WinsPerBetRule",
    "connect",
    "decimal_text",
    "methods",
    "money",
    "new_id",
]
