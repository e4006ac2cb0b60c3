"""Say to players, in their language, why they were refused.

The texts are package data, one JSON object per language in ``messages``, by the name
of the reason. Where a variable of the reason asks for words of its own the key goes
on with a dot and its value: "PLAYER_BLOCKED.SELF_EXCLUDED". A language, or a text,
that is missing is said in English.
"""

import functools
import json
from collections.abc import Mapping
from importlib.resources import files

FALLBACK = "en"
# The variable of a reason that may ask for words of its own.
_WORDED = {"PLAYER_BLOCKED": "status"}
# Other names of a language: the macrolanguage of both written forms of Norwegian.
_SAME = {"no": "nb", "nn": "nb"}


@functools.cache
def languages() -> dict[str, Mapping[str, str]]:
    """Return every text by language, a BCP 47 primary tag, and by key."""
    folder = files("cage.rpc") / "messages"
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
        for path in folder.iterdir()
        if path.name.endswith(".json")
    }


@functools.lru_cache(maxsize=1_024)
def language_of(language_code: str) -> str:
    """Return the language in which a BCP 47 tag is answered.

    >>> language_of("pt-BR"), language_of("xx"), language_of("")
    ('pt', 'en', 'en')
    """
    primary = language_code.replace("_", "-").split("-")[0].lower()
    primary = _SAME.get(primary, primary)
    return primary if primary in languages() else FALLBACK


def player_message(reason: str, metadata: Mapping[str, str], language_code: str) -> str:
    """Return a sentence for the player; empty when there is nothing to read."""
    worded = metadata.get(_WORDED.get(reason, ""), "")
    for language in (language_of(language_code), FALLBACK):
        texts = languages()[language]
        text = texts.get(f"{reason}.{worded}") or texts.get(reason)
        if text:
            return text
    return ""
