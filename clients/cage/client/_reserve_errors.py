"""Name the errors of two-phase bets."""

from cage.client._errors import ConflictError, RefusedError


class ReserveReleasedError(RefusedError):
    """Say that the reserve was released or rolled back."""

    reason = "RESERVE_RELEASED"


class ReserveExpiredError(RefusedError):
    """Say that the life of the reserve was over, and its money went back."""

    reason = "RESERVE_EXPIRED"


class ReserveNotFoundError(ConflictError):
    """Say that a capture names a reserve that the player does not have."""

    reason = "RESERVE_NOT_FOUND"


class ReserveExceededError(ConflictError):
    """Say that a capture asks for more than is ``left`` of its reserve."""

    reason = "RESERVE_EXCEEDED"
