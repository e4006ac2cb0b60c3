"""Write secrets as text and reduce them to what may be stored.

API keys, launch tokens and session tokens are 256 random bits. Only the SHA-256 of
the whole text, in hex, ever reaches a command, a row or a log.
"""

import base64
import functools
import hashlib

SECRET_BYTES = 32
KEY_PREFIX = "cage_"
SESSION_PREFIX = "s."
LAUNCH_PREFIX = "l."


def secret_text(prefix: str, random_bytes: bytes) -> str:
    """Return a secret as printable text behind a prefix that says what it is."""
    return prefix + base64.urlsafe_b64encode(random_bytes).decode().rstrip("=")


@functools.lru_cache(maxsize=16_384)
def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret's text, in hex.

    Kept for the secrets seen lately, because a session's token comes with every bet.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def launch_text(player_id: str, random_bytes: bytes) -> str:
    """Return a launch token, which names its player so that it finds its lane."""
    return secret_text(f"{LAUNCH_PREFIX}{player_id}.", random_bytes)


def player_of_launch(launch_token: str) -> str | None:
    """Return the player that a launch token names, or None for another text."""
    parts = launch_token.split(".")
    if len(parts) != 3 or f"{parts[0]}." != LAUNCH_PREFIX or not parts[1]:
        return None
    return parts[1]
