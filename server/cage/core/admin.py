"""Decide what a deployment is made of: operators, brands, integrations, games.

Every change is one row of the registry and one version more, so that a bet of the
next batch obeys it. Guards in order: key; the request id; the id of the row; what
it belongs to. One table says how the nouns differ.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from cage.core.book import Book
from cage.core.errors import CageError, Reason, invalid_field
from cage.core.registry import (
    UNFINISHED_ROUND_AFTER_S,
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Registry,
    Row,
    Studio,
    UnfinishedRoundAction,
    Vertical,
    with_row,
)
from cage.core.request import columns, earlier_reply, journal, keep_reply
from cage.core.rules import DEFAULT_RULES, Rules, changed_rules, rules_of

# The actor of changes that ``caged`` makes on the machine itself, without a key. No
# key can have this id.
LOCAL_ACTOR = "caged:local"


@dataclass(slots=True, kw_only=True)
class Change:
    """Carry what every change of the registry carries."""

    key_id: str
    request_id: str


@dataclass(slots=True, kw_only=True)
class OperatorChange(Change):
    """Carry an operator."""

    operator_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(slots=True, kw_only=True)
class BrandChange(Change):
    """Carry a brand. ``operator_id`` may be empty in an update."""

    brand_id: str
    operator_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(slots=True, kw_only=True)
class IntegrationChange(Change):
    """Carry an integration with its rules: names and numbers, 0 for the default."""

    integration_id: str
    display_name: str
    enabled: bool
    rules: dict[str, int] = field(default_factory=dict)
    in_maintenance: bool = False
    unfinished_round_action: UnfinishedRoundAction = UnfinishedRoundAction.REPORT
    unfinished_round_after_s: int = UNFINISHED_ROUND_AFTER_S
    history_url_template: str = ""


@dataclass(slots=True, kw_only=True)
class StudioChange(Change):
    """Carry a studio."""

    studio_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False


@dataclass(slots=True, kw_only=True)
class GameChange(Change):
    """Carry a game. ``studio_id`` may be empty in an update."""

    game_id: str
    studio_id: str
    display_name: str
    enabled: bool
    in_maintenance: bool = False
    vertical: int = int(Vertical.CASINO)
    history_url_template: str = ""


class CreateOperator(OperatorChange):
    """Create an operator."""

    __slots__ = ()


class UpdateOperator(OperatorChange):
    """Replace what can change of an operator."""

    __slots__ = ()


class CreateBrand(BrandChange):
    """Create a brand of an operator."""

    __slots__ = ()


class UpdateBrand(BrandChange):
    """Replace what can change of a brand."""

    __slots__ = ()


class CreateIntegration(IntegrationChange):
    """Create an integration."""

    __slots__ = ()


class UpdateIntegration(IntegrationChange):
    """Replace what can change of an integration."""

    __slots__ = ()


class CreateStudio(StudioChange):
    """Create a studio."""

    __slots__ = ()


class UpdateStudio(StudioChange):
    """Replace what can change of a studio."""

    __slots__ = ()


class CreateGame(GameChange):
    """Create a game of a studio."""

    __slots__ = ()


class UpdateGame(GameChange):
    """Replace what can change of a game."""

    __slots__ = ()


@dataclass(slots=True, kw_only=True)
class CreateCurrency(Change):
    """Create a currency with its ledger scale, fixed for ever."""

    currency_code: str
    scale: int


@dataclass(slots=True, kw_only=True)
class ReadRegistry:
    """Read the registry as of after every change answered before."""

    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """Say how one kind of registered row is named and what it belongs to."""

    name: str
    row: type
    rows: str
    id_name: str
    not_found: Reason
    parent: "Noun | None" = None

    @property
    def no_name(self) -> str:
        """Return the field of the number."""
        return f"{self.name}_no"


OPERATOR = Noun(
    name="operator",
    row=Operator,
    rows="operators",
    id_name="operator_id",
    not_found=Reason.OPERATOR_NOT_FOUND,
)
BRAND = Noun(
    name="brand",
    row=Brand,
    rows="brands",
    id_name="brand_id",
    not_found=Reason.BRAND_NOT_FOUND,
    parent=OPERATOR,
)
INTEGRATION = Noun(
    name="integration",
    row=Integration,
    rows="integrations",
    id_name="integration_id",
    not_found=Reason.INTEGRATION_NOT_FOUND,
)
STUDIO = Noun(
    name="studio",
    row=Studio,
    rows="studios",
    id_name="studio_id",
    not_found=Reason.STUDIO_NOT_FOUND,
)
GAME = Noun(
    name="game",
    row=Game,
    rows="games",
    id_name="game_id",
    not_found=Reason.GAME_NOT_FOUND,
    parent=STUDIO,
)
CURRENCY = Noun(
    name="currency",
    row=Currency,
    rows="currencies",
    id_name="currency_code",
    not_found=Reason.CURRENCY_NOT_FOUND,
)

KEY = Noun(
    name="key",
    row=ApiKey,
    rows="keys",
    id_name="key_id",
    not_found=Reason.KEY_NOT_FOUND,
)

NOUNS: dict[type, Noun] = {
    noun.row: noun
    for noun in (OPERATOR, BRAND, INTEGRATION, STUDIO, GAME, CURRENCY, KEY)
}
CREATED: dict[type, Noun] = {
    CreateOperator: OPERATOR,
    CreateBrand: BRAND,
    CreateIntegration: INTEGRATION,
    CreateStudio: STUDIO,
    CreateGame: GAME,
    CreateCurrency: CURRENCY,
}
UPDATED: dict[type, Noun] = {
    UpdateOperator: OPERATOR,
    UpdateBrand: BRAND,
    UpdateIntegration: INTEGRATION,
    UpdateStudio: STUDIO,
    UpdateGame: GAME,
}


def decide_create(book: Book, command: Change) -> Row:
    """Create a row; raise ID_TAKEN, or the absence of what it belongs to."""
    noun = CREATED[type(command)]
    judge_actor(book, command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return row_of(noun, reply)
    content = content_of(command)
    row_id = content[noun.id_name]
    judge_free(book, noun, row_id)
    if noun.parent is not None:
        parent = find(book.registry, noun.parent, content.pop(noun.parent.id_name))
        content[noun.parent.no_name] = getattr(parent, noun.parent.no_name)
    set_rules(content, DEFAULT_RULES)
    row: Row = noun.row(**{noun.no_name: book.next_no, **content})
    return write_row(book, command, noun, row, before=None)


def decide_update(book: Book, command: Change) -> Row:
    """Replace what can change of a row; raise its absence.

    Raises INVALID_FIELD when the row would move to another parent.
    """
    noun = UPDATED[type(command)]
    judge_actor(book, command.key_id)
    reply = earlier_reply(book, command)
    if reply is not None:
        return row_of(noun, reply)
    content = content_of(command)
    row_id = content[noun.id_name]
    earlier = find(book.registry, noun, row_id)
    if noun.parent is not None:
        judge_parent(book, noun, noun.parent, earlier, content)
    if noun is INTEGRATION:
        keep_ids_per_kind(content, earlier.rules)
        set_rules(content, earlier.rules)
    row: Row = replace(earlier, **content)
    return write_row(book, command, noun, row, before=columns(earlier))


def decide_read_registry(book: Book, read: ReadRegistry) -> Registry:
    """Return the registry of this batch, an immutable value."""
    judge_actor(book, read.key_id)
    return book.registry


def judge_actor(book: Book, key_id: str) -> None:
    """Let the machine itself or a valid key pass, or raise KEY_INVALID."""
    if key_id != LOCAL_ACTOR:
        book.caller(key_id)


def judge_free(book: Book, noun: Noun, row_id: str) -> None:
    """Let a new id pass, or raise ID_TAKEN."""
    if row_id in getattr(book.registry, noun.rows):
        raise CageError(Reason.ID_TAKEN, noun=noun.name, id=row_id)


def judge_parent(
    book: Book, noun: Noun, parent: Noun, earlier: Any, content: dict[str, Any]
) -> None:
    """Keep a row with its parent, and take the parent's id out of the content."""
    sent = content.pop(parent.id_name)
    rows = getattr(book.registry, f"{parent.rows}_by_no")
    own = getattr(rows[getattr(earlier, parent.no_name)], parent.id_name)
    if sent not in ("", own):
        raise invalid_field(f"{noun.name}.{parent.id_name}", "cannot change")


def find(registry: Registry, noun: Noun, row_id: str) -> Any:
    """Return a registered row by its id, or raise its absence."""
    row = getattr(registry, noun.rows).get(row_id)
    if row is None:
        raise CageError(noun.not_found, **{noun.id_name: row_id})
    return row


def content_of(command: Change) -> dict[str, Any]:
    """Return the columns that a command sends."""
    sent = fields(command)[len(fields(Change)) :]
    return {field.name: getattr(command, field.name) for field in sent}


def row_of(noun: Noun, stored: dict[str, Any]) -> Row:
    """Build a row of a noun from its columns."""
    if "rules" in stored:
        action = UnfinishedRoundAction(stored["unfinished_round_action"])
        stored = {
            **stored,
            "rules": rules_of(stored["rules"]),
            "unfinished_round_action": action,
        }
    row: Row = noun.row(**stored)
    return row


def keep_ids_per_kind(content: dict[str, Any], earlier: Rules) -> None:
    """Keep the one rule that is fixed at the creation, or raise INVALID_FIELD.

    Were it switched, a retry would miss its first answer.
    """
    sent = content["rules"].get("ids_per_kind", 0)
    if sent not in (0, earlier.ids_per_kind):
        raise invalid_field("integration.rules.ids_per_kind", "cannot change")
    kept = int(earlier.ids_per_kind)
    content["rules"] = {**content["rules"], "ids_per_kind": kept}


def set_rules(content: dict[str, Any], earlier: Rules) -> None:
    """Turn the rules that were sent, if any, into those that follow the earlier."""
    if "rules" in content:
        content["rules"] = changed_rules(earlier, content["rules"])


def write_row(
    book: Book,
    command: Any,
    noun: Noun,
    row: Row,
    *,
    before: dict[str, Any] | None,
) -> Row:
    """Write a registered row, journal the change and keep the row as the reply."""
    stored = columns(row)
    journal(book, command, noun.name, stored[noun.id_name], before=before, after=stored)
    book.registry_rows.append(row)
    book.registry = with_row(book.registry, row)
    keep_reply(book, command, stored)
    return row
