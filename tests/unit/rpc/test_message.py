"""Every refusal that a player may read is said in every language."""

import pytest

from cage.core.errors import CageError, Reason
from cage.error.v1 import error_detail_pb2
from cage.rpc.message import FALLBACK, language_of, languages, player_message
from cage.rpc.status import to_status

LANGUAGES = "da de en es fi fr hi it nb nl pl pt sv".split()
# What a player reads: everything about the account, the game and its limits.
READ = {
    *(Reason.LAUNCH_TOKEN_INVALID, Reason.LAUNCH_TOKEN_EXPIRED),
    *(Reason.SESSION_NOT_FOUND, Reason.SESSION_EXPIRED, Reason.SESSION_ENDED),
    *(Reason.INSUFFICIENT_FUNDS, Reason.PLAYER_BLOCKED, Reason.KYC_REQUIRED),
    *(Reason.GAME_UNAVAILABLE, Reason.MAINTENANCE, Reason.FREE_ROUNDS_UNAVAILABLE),
    *(Reason.STAKE_LIMIT, Reason.LOSS_LIMIT, Reason.WAGER_LIMIT),
    *(Reason.DEPOSIT_LIMIT, Reason.SESSION_TIME_LIMIT, Reason.REALITY_CHECK_DUE),
}


def told(error: CageError) -> str:
    """Return what a status says to the player."""
    found = error_detail_pb2.ErrorDetail()
    for detail in to_status(error).details:
        detail.Unpack(found)
    return found.player_message


def test_languages() -> None:
    """The package holds these languages."""
    assert sorted(languages()) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    """A language says what English says, in words of its own that fit."""
    texts = languages()[language]

    assert texts.keys() == languages()[FALLBACK].keys()
    assert {key.split(".")[0] for key in texts} == {reason.value for reason in READ}
    assert all(0 < len(text) <= 1_024 and text.isprintable() for text in texts.values())
    if language != FALLBACK:
        assert not set(texts.values()) & set(languages()[FALLBACK].values())


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("language", LANGUAGES)
def test_e39_status_speaks_the_language(reason: Reason, language: str) -> None:
    """A status tells the player in the language of the refusal, or nothing."""
    error = CageError(reason)
    error.language_code = f"{language}-XX"

    assert told(error) == languages()[language].get(reason.value, "")


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("sv", "sv"),
        ("pt-BR", "pt"),
        ("PT_br", "pt"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("xx", "en"),
        ("zh-Hant-TW", "en"),
        ("", "en"),
        ("../de", "en"),
    ],
)
def test_language_of_a_tag(code: str, language: str) -> None:
    """The primary tag counts, and what nobody speaks is answered in English."""
    assert language_of(code) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_self_exclusion_has_its_own_words(language: str) -> None:
    """A player who is excluded by own wish reads that, others something general."""
    reads = {
        status: player_message("PLAYER_BLOCKED", {"status": status}, language)
        for status in ("SELF_EXCLUDED", "SUSPENDED", "CLOSED")
    }

    assert reads["SUSPENDED"] == reads["CLOSED"] != reads["SELF_EXCLUDED"]
