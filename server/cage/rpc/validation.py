"""Judge the form of requests: required fields and documented ranges.

What is required comes from ``google.api.field_behavior`` in the descriptors, the
ranges from the tables below, which say what the comments in the contract say. Both
are compiled once per message type, so that a call costs a few attribute reads.

The scale and the sign of money are judged by the core, which knows the ledger.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from cage.core.errors import invalid_field
from cage.player.v1.responsible_gaming_pb2 import LIMIT_KIND_STAKE, LIMIT_PERIOD_BET

Check = Callable[[Any], None]

ACTIONS_MAX = 50
ORIGINALS_MAX = 100
JACKPOTS_MAX = 50
OPERATIONS_MAX = 1_000
VERTICALS_MAX = 16
REFERENCES_MAX = 50
RESERVE_LIFE_MAX_S = 90 * 86_400
OPERATORS_MAX = 1_000
VALUES_MAX = 100
PAGE_SIZE_MAX = 1_000
SCALE_MAX = 18
DETAILS_MAX_BYTES = 4_096
ID_MAX = 128
# 0001-01-01 to 9999-12-31, as google.protobuf.Timestamp has it.
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, 253_402_300_799
_NANOS_MAX = 999_999_999


class _InvalidError(Exception):
    """Carry a problem outwards; every message on the way prepends its field."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def within(self, parent: str) -> "_InvalidError":
        """Prepend the field of the surrounding message."""
        self.field = f"{parent}.{self.field}" if self.field else parent
        return self


@dataclass(frozen=True, slots=True)
class TextRule:
    """Say which texts a field takes, besides the empty one where it is optional."""

    problem: str
    is_valid: Callable[[str], object]


ID = TextRule(
    "must be 1 to 128 printable characters",
    lambda text: len(text) <= ID_MAX and text.isprintable(),
)
_SHORT_ID = TextRule(
    "must be 1 to 64 printable characters",
    lambda text: len(text) <= 64 and text.isprintable(),
)
CHOSEN_ID = TextRule(
    "must be 1 to 64 lower-case letters, digits, dots, underscores and hyphens",
    re.compile(r"[a-z0-9._-]{1,64}").fullmatch,
)
_CURRENCY = TextRule(
    "must be 3 to 12 upper-case letters and digits",
    re.compile(r"[A-Z0-9]{3,12}").fullmatch,
)
_COUNTRY = TextRule("must be two upper-case letters", re.compile(r"[A-Z]{2}").fullmatch)
_JURISDICTION = TextRule(
    "must be 1 to 16 upper-case letters, digits and hyphens",
    re.compile(r"[A-Z0-9-]{1,16}").fullmatch,
)
_LANGUAGE = TextRule(
    "must be up to 35 printable characters",
    lambda text: len(text) <= 35 and text.isprintable(),
)
_NAME = TextRule(
    "must be up to 128 printable characters",
    lambda text: len(text) <= 128 and text.isprintable(),
)
_NOUN = TextRule(
    "must be up to 64 printable characters",
    lambda text: len(text) <= 64 and text.isprintable(),
)
_REASON = TextRule("must be 1 to 1,024 characters", lambda text: len(text) <= 1_024)
_DETAILS = TextRule(
    "must be up to 4,096 bytes of UTF-8",
    # No character takes more than four bytes, so short texts need no encoding.
    lambda text: (
        len(text) <= DETAILS_MAX_BYTES // 4 or len(text.encode()) <= DETAILS_MAX_BYTES
    ),
)
_HISTORY_URL = TextRule(
    "must be an address of http or https, with no other placeholders than {player_id}, "
    "{game_id}, {round_id} and {integration_id}",
    re.compile(
        r"(?=.{1,1024}\Z)https?://"
        r"(?:[^\s{}]|\{(?:player|game|round|integration)_id\})+"
    ).fullmatch,
)
# The list itself judges its token and answers PAGE_TOKEN_INVALID or CURSOR_INVALID.
_TOKEN = TextRule("", lambda _: True)

# Looked up by "Message.field", then by "field"; every other text is an ID.
_TEXTS = {
    "CreateOperatorRequest.operator_id": CHOSEN_ID,
    "CreateBrandRequest.brand_id": CHOSEN_ID,
    "CreateIntegrationRequest.integration_id": CHOSEN_ID,
    "CreateStudioRequest.studio_id": CHOSEN_ID,
    "CreateGameRequest.game_id": CHOSEN_ID,
    "CreateApiKeyRequest.key_id": CHOSEN_ID,
    "Game.game_id": _SHORT_ID,
    "operator_id": _SHORT_ID,
    "operator_ids": _SHORT_ID,
    "brand_id": _SHORT_ID,
    "integration_id": _SHORT_ID,
    "studio_id": _SHORT_ID,
    "key_id": _SHORT_ID,
    "payment_method": _SHORT_ID,
    "currency_code": _CURRENCY,
    "country_code": _COUNTRY,
    "jurisdiction": _JURISDICTION,
    "language_code": _LANGUAGE,
    "display_name": _NAME,
    "noun": _NOUN,
    "noun_id": _NAME,
    "reason": _REASON,
    "history_url_template": _HISTORY_URL,
    "details": _DETAILS,
    "page_token": _TOKEN,
    "cursor": _TOKEN,
}

# Smallest and largest value of a number, and how the range is told.
_NUMBERS = {
    "page_size": (0, PAGE_SIZE_MAX, "must be 0 to 1,000"),
    "level": (1, 3, "must be 1 to 3"),
    "reserve_life_s": (0, RESERVE_LIFE_MAX_S, "must be 0 to 7,776,000"),
    "remaining": (0, 2**31 - 1, "must not be negative"),
    "unfinished_round_after_s": (0, 31_622_400, "must be 0 to 31,622,400"),
    "CreateCurrencyRequest.scale": (0, SCALE_MAX, "must be 0 to 18"),
}

# Largest number of items of a list.
_COUNTS = {
    "actions": ACTIONS_MAX,
    "originals": ORIGINALS_MAX,
    "jackpot_contributions": JACKPOTS_MAX,
    "jackpot_wins": JACKPOTS_MAX,
    "operations": OPERATIONS_MAX,
    "references": REFERENCES_MAX,
    "operator_ids": OPERATORS_MAX,
    "verticals": VERTICALS_MAX,
    "types": VALUES_MAX,
    "transaction_kinds": VALUES_MAX,
}

# Not looked into: a rollback's amount is only compared, and each operation of a stream
# or a batch is judged, and refused, on its own.
_OPAQUE = dict.fromkeys(
    (
        "RollbackRequest.amount",
        "BatchExecuteRequest.operations",
        "StreamExecuteRequest.operation",
    ),
    True,
)


def checker_of(descriptor: Descriptor) -> Check:
    """Return the check of a message type: it raises INVALID_FIELD with the path."""
    run = _compile(descriptor)

    def check(message: Any) -> None:
        try:
            run(message)
        except _InvalidError as invalid:
            raise invalid_field(invalid.field, invalid.problem) from None

    return check


def _compile(descriptor: Descriptor) -> Check:
    """Fuse the checks of all fields of a message type into one."""
    required: list[str] = []
    optional: list[str] = []
    checks: list[Check] = []
    for field in descriptor.fields:
        if _table(_TEXTS, field, ID) is ID and _is_plain_text(field):
            (required if _is_required(field) else optional).append(field.name)
        else:
            check = _field_check(field)
            if check is not None:
                checks.append(check)
    checks += _WHOLE.get(descriptor.name, ())
    required_ids, optional_ids = _reader(required), _reader(optional)

    def run(message: Any) -> None:
        for text in required_ids(message):
            if not text or len(text) > ID_MAX or not text.isprintable():
                raise _explain(message, required, is_required=True)
        for text in optional_ids(message):
            if text and (len(text) > ID_MAX or not text.isprintable()):
                raise _explain(message, optional, is_required=False)
        for check in checks:
            check(message)

    return run


def _reader(names: Sequence[str]) -> Callable[[Any], Sequence[str]]:
    """Return a function that reads several fields of a message at once."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        read_one: Callable[[Any], str] = attrgetter(names[0])
        return lambda message: (read_one(message),)
    return attrgetter(*names)


def _explain(message: Any, names: Sequence[str], *, is_required: bool) -> _InvalidError:
    """Find which of several ids is malformed."""
    for name in names:
        text = getattr(message, name)
        if (is_required and not text) or (text and not ID.is_valid(text)):
            return _InvalidError(name, ID.problem)
    raise AssertionError("none of the ids is malformed")


def _field_check(field: FieldDescriptor) -> Check | None:
    """Return the check of one field, or None where every value is legal."""
    if field.is_repeated:
        return _list_check(field)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _message_check(field)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum_check(field)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_check(field)
    return _number_check(field)


def _text_check(field: FieldDescriptor) -> Check:
    read = attrgetter(field.name)
    rule, is_required = _table(_TEXTS, field, ID), _is_required(field)

    def check(message: Any) -> None:
        text = read(message)
        if not rule.is_valid(text) if text else is_required:
            raise _InvalidError(field.name, rule.problem)

    return check


def _number_check(field: FieldDescriptor) -> Check | None:
    bounds = _table(_NUMBERS, field, None)
    if bounds is None:
        return None
    low, high, problem = bounds
    read = attrgetter(field.name)

    def check(message: Any) -> None:
        if not low <= read(message) <= high:
            raise _InvalidError(field.name, problem)

    return check


def _enum_check(field: FieldDescriptor) -> Check:
    if field.enum_type is None:
        raise AssertionError(f"{field.full_name} is no enum")
    known = set(field.enum_type.values_by_number)
    if _is_required(field):
        known.discard(0)
    read = attrgetter(field.name)

    def check(message: Any) -> None:
        if read(message) not in known:
            raise _InvalidError(field.name, "must be a known value")

    return check


def _message_check(field: FieldDescriptor) -> Check | None:
    name, is_required = field.name, _is_required(field)
    inner = _inner_check(field)
    if inner is None and not is_required:
        return None
    read = attrgetter(name)

    def check(message: Any) -> None:
        if not message.HasField(name):
            if is_required:
                raise _InvalidError(name, "is required")
        elif inner is not None:
            try:
                inner(read(message))
            except _InvalidError as invalid:
                raise invalid.within(name) from None

    return check


def _list_check(field: FieldDescriptor) -> Check:
    name, is_required = field.name, _is_required(field)
    high = _table(_COUNTS, field, None)
    if high is None:
        raise AssertionError(f"{field.full_name} has no documented count")
    low = 1 if is_required else 0
    inner = _inner_check(field)
    read = attrgetter(name)

    def check(message: Any) -> None:
        items = read(message)
        if not low <= len(items) <= high:
            raise _InvalidError(name, f"must hold {low} to {high:,} items")
        if inner is None:
            return
        for index, item in enumerate(items):
            try:
                inner(item)
            except _InvalidError as invalid:
                raise invalid.within(f"{name}[{index}]") from None

    return check


def _inner_check(field: FieldDescriptor) -> Check | None:
    """Return the check of a field's message, or of one text or value of a list."""
    if _table(_OPAQUE, field, False):
        return None
    if field.type == FieldDescriptor.TYPE_STRING:
        rule = _table(_TEXTS, field, ID)
        return lambda text: _check_text(rule, text)
    if field.enum_type is not None:
        known = set(field.enum_type.values_by_number) - {0}
        return lambda number: _check_known(known, number)
    if field.message_type is None:
        raise AssertionError(f"{field.full_name} is no message")
    special = _WELL_KNOWN.get(field.message_type.full_name)
    return special if special is not None else _compile(field.message_type)


def _check_text(rule: TextRule, text: str) -> None:
    if not text or not rule.is_valid(text):
        raise _InvalidError("", rule.problem)


def _check_known(known: set[int], number: int) -> None:
    if number not in known:
        raise _InvalidError("", "must be a known value")


def _check_timestamp(time: Any) -> None:
    if not (
        _SECONDS_MIN <= time.seconds <= _SECONDS_MAX and 0 <= time.nanos <= _NANOS_MAX
    ):
        raise _InvalidError("", "must be a time from year 1 to year 9999")


def _check_duration(duration: Any) -> None:
    seconds, nanos = duration.seconds, duration.nanos
    if seconds < 0 or not 0 <= nanos <= _NANOS_MAX or not (seconds or nanos):
        raise _InvalidError("", "must be more than 0")


def _check_play(play: Any) -> None:
    """Want something to do, different ids and one currency."""
    actions = play.actions
    if not actions and not play.round_closed:
        raise _InvalidError("actions", "must not be empty unless round_closed")
    seen: set[str] = set()
    for index, action in enumerate(actions):
        if action.transaction_id in seen:
            raise _InvalidError(
                f"actions[{index}].transaction_id", "must differ between actions"
            )
        seen.add(action.transaction_id)
        if action.amount.currency_code != actions[0].amount.currency_code:
            raise _InvalidError(
                f"actions[{index}].amount.currency_code",
                "must be the same in all actions",
            )


def _check_award(award: Any) -> None:
    if award.round_closed and not award.round_id:
        raise _InvalidError("round_id", "is required when round_closed is set")


def _check_adjust(adjust: Any) -> None:
    """Want a round to close, and every reference once."""
    _check_award(adjust)
    seen: set[str] = set()
    for index, reference in enumerate(adjust.references):
        if reference.transaction_id in seen:
            raise _InvalidError(
                f"references[{index}].transaction_id", "must differ between references"
            )
        seen.add(reference.transaction_id)


def _check_reserve(reserve: Any) -> None:
    life_s = reserve.life.seconds + reserve.life.nanos / 1e9
    if reserve.HasField("life") and not 1 <= life_s <= RESERVE_LIFE_MAX_S:
        raise _InvalidError("life", "must be 1 second to 90 days")


def _check_audit_list(request: Any) -> None:
    if request.noun_id and not request.noun:
        raise _InvalidError("noun_id", "must be empty without a noun")


def _check_transaction_list(request: Any) -> None:
    if request.round_id and not request.game_id:
        raise _InvalidError("game_id", "is required when round_id is set")


def _check_start(request: Any) -> None:
    if request.cursor and request.HasField("start_time"):
        raise _InvalidError("start_time", "must be absent with a cursor")


def _check_limit_period(request: Any) -> None:
    """Want the period BET for a stake, and a longer one for everything else."""
    if (request.kind == LIMIT_KIND_STAKE) != (request.period == LIMIT_PERIOD_BET):
        raise _InvalidError("period", "must be BET for STAKE, and only for it")


def _oneof_check(name: str) -> Check:
    """Return the check that one member of a oneof is set."""

    def check(message: Any) -> None:
        if message.WhichOneof(name) is None:
            raise _InvalidError(name, "is required")

    return check


# Checks of a message as a whole, which no descriptor knows.
_WHOLE: dict[str, tuple[Check, ...]] = {
    "PlayRequest": (_check_play,),
    "PlayAction": (_oneof_check("action"),),
    "Operation": (_oneof_check("operation"),),
    "AwardRequest": (_check_award,),
    "AdjustRequest": (_check_adjust,),
    "ReserveRequest": (_check_reserve,),
    "ListAuditEntriesRequest": (_check_audit_list,),
    "ListTransactionsRequest": (_check_transaction_list,),
    "SubscribeRequest": (_check_start,),
    "ExportTransactionsRequest": (_check_start,),
    "ExportRoundsRequest": (_check_start,),
    "SetLimitRequest": (_check_limit_period,),
    "RemoveLimitRequest": (_check_limit_period,),
    "ConfirmLimitRequest": (_check_limit_period,),
}
_WELL_KNOWN: dict[str, Check] = {
    "google.protobuf.Timestamp": _check_timestamp,
    "google.protobuf.Duration": _check_duration,
}


def _is_required(field: FieldDescriptor) -> bool:
    # The stubs type extensions by a class that descriptors no longer have.
    behavior: Any = field_behavior_pb2.field_behavior
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[behavior]


def _is_plain_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _table(table: dict[str, Any], field: FieldDescriptor, default: Any) -> Any:
    """Look a field up by its message and name, then by its name alone."""
    owner = field.containing_type
    own_name = f"{owner.name}.{field.name}" if owner is not None else field.name
    return table.get(own_name, table.get(field.name, default))
