"""Name the errors of responsible gaming: limits and reality checks."""

from cage.client._errors import NotFoundError, RefusedError


class StakeLimitError(RefusedError):
    """Say that the stake is above what one bet may be; it carries the balance."""

    reason = "STAKE_LIMIT"


class LossLimitError(RefusedError):
    """Say that the player could lose too much in a period."""

    reason = "LOSS_LIMIT"


class WagerLimitError(RefusedError):
    """Say that the player would have staked too much in a period."""

    reason = "WAGER_LIMIT"


class DepositLimitError(RefusedError):
    """Say that the player would have paid in too much in a period."""

    reason = "DEPOSIT_LIMIT"


class SessionTimeLimitError(RefusedError):
    """Say that the player has played for as long as a limit allows."""

    reason = "SESSION_TIME_LIMIT"


class RealityCheckDueError(RefusedError):
    """Say that the player has to confirm a reality check first."""

    reason = "REALITY_CHECK_DUE"


class LimitChangeNotDueError(RefusedError):
    """Say that a looser limit waits until ``due_time``."""

    reason = "LIMIT_CHANGE_NOT_DUE"


class LimitNotFoundError(NotFoundError):
    """Say that the player has no such limit, or that nothing of it waits."""

    reason = "LIMIT_NOT_FOUND"
