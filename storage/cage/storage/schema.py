"""Define every table once, for every database.

Hot tables lead with ``lane`` (the shard key), are append-only and use integers
inside. A transaction has exactly one random unique index, that of the caller's id;
all other keys grow at their end. Times are microseconds since 1970, amounts are
units of 10^-scale of the currency.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
    text,
)

SCHEMA_VERSION = 1

metadata = MetaData()

# Compared and sorted by its bytes, on every database.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")


def _int(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, autoincrement=False)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, _TEXT, nullable=nullable)


def _table(
    name: str, key: tuple[str, ...], *columns: "Column[int] | Column[str]"
) -> Table:
    return Table(
        name,
        metadata,
        *columns,
        PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )


deployment = _table(
    "deployment",
    ("one",),
    Column("one", Integer, nullable=False, autoincrement=False),
    _int("schema_version"),
    _int("lanes"),
    _int("registry_version"),
    _int("create_time_us"),
)

# The head of each lane: the end of its journal. It is locked before anything else.
lanes = _table(
    "lanes",
    ("lane",),
    _int("lane"),
    _int("sequence"),
    _int("item_no"),
    _text("hash"),
    _int("time_us"),
)

# One header per commit: the items first_no .. first_no + item_count - 1.
batches = _table(
    "batches",
    ("lane", "sequence"),
    _int("lane"),
    _int("sequence"),
    _int("first_no"),
    _int("item_count"),
    _text("hash"),
    _int("commit_time_us"),
)

transactions = _table(
    "transactions",
    ("lane", "item_no"),
    _int("lane"),
    _int("item_no"),
    _int("player_no"),
    _int("integration_no"),
    _int("key_space"),
    _text("transaction_id"),
    _int("kind"),
    _int("state"),
    _int("variant"),
    _int("flags"),
    _int("currency_no"),
    _int("game_no"),
    _text("round_id"),
    _int("amount"),
    _int("cash"),
    _int("bonus"),
    _int("cash_after"),
    _int("bonus_after"),
    _int("reserved_after"),
    _int("version"),
    _int("wallet_sequence"),
    _int("previous_no"),
    _int("anchor_no"),
    _int("round_previous_no"),
    _int("reference_no"),
    _int("unit_no"),
    _int("unit_size"),
    _int("commit_time_us"),
    _text("extra", nullable=True),
)
# The idempotency record and the one random index of a bet.
Index(
    "transactions_id",
    transactions.c.lane,
    transactions.c.player_no,
    transactions.c.integration_no,
    transactions.c.key_space,
    transactions.c.transaction_id,
    unique=True,
)

entries = _table(
    "entries",
    ("lane", "item_no", "account"),
    _int("lane"),
    _int("item_no"),
    _int("account"),
    _int("account_no"),
    _int("currency_no"),
    _int("amount"),
    _int("balance_after", nullable=True),
    _int("version", nullable=True),
)

changes = _table(
    "changes",
    ("lane", "item_no"),
    _int("lane"),
    _int("item_no"),
    _text("actor"),
    _text("noun"),
    _text("noun_id"),
    _text("action"),
    _text("before"),
    _text("after"),
    _int("commit_time_us"),
)
Index("changes_noun", changes.c.noun, changes.c.noun_id, changes.c.item_no)

requests = _table(
    "requests",
    ("lane", "actor", "request_id"),
    _int("lane"),
    _text("actor"),
    _text("request_id"),
    _text("fingerprint"),
    _text("reply"),
    _int("commit_time_us"),
)

# For the purge of old answers.
Index("requests_time", requests.c.lane, requests.c.commit_time_us)

# The ids that are unique in an integration whose rules say so, by who has them.
id_claims = _table(
    "id_claims",
    ("lane", "integration_no", "key_space", "transaction_id"),
    _int("lane"),
    _int("integration_no"),
    _int("key_space"),
    _text("transaction_id"),
    _int("player_no"),
    _int("kind"),
    _int("item_no"),
)

gates = _table(
    "gates",
    ("lane", "player_no"),
    _int("lane"),
    _int("player_no"),
    _text("player_id"),
    _int("brand_no"),
    _int("currency_no"),
    _int("status"),
    _int("kyc_level"),
    _int("is_test"),
    _int("blocks"),
    _text("language_code"),
    _text("jurisdiction"),
    # A JSON list of the columns of each limit, empty without any.
    _text("limits"),
    # Numbers with a space between, empty without any.
    _text("more_currencies"),
)
Index("gates_player_id", gates.c.lane, gates.c.player_id, unique=True)

players = _table(
    "players",
    ("lane", "player_no"),
    _int("lane"),
    _int("player_no"),
    _text("display_name"),
    _text("country_code"),
    _int("create_time_us"),
    _int("update_time_us"),
)

wallets = _table(
    "wallets",
    ("lane", "player_no", "currency_no"),
    _int("lane"),
    _int("player_no"),
    _int("currency_no"),
    _int("cash"),
    _int("bonus"),
    _int("held"),
    _int("reserved"),
    _int("version"),
    _int("item_count"),
    _int("last_no"),
    _int("anchor_no"),
)

rounds = _table(
    "rounds",
    ("lane", "player_no", "game_no", "round_id"),
    _int("lane"),
    _int("player_no"),
    _int("game_no"),
    _text("round_id"),
    _int("currency_no"),
    _int("bet_count"),
    _int("win_count"),
    _int("rolled_back_count"),
    _int("standing_count"),
    _int("bet_cash"),
    _int("bet_bonus"),
    _int("win_amount"),
    _int("adjust_count"),
    _int("adjust_amount"),
    _int("closed"),
    _int("cancelled"),
    _int("last_no"),
    _int("open_no"),
    _int("open_time_us"),
    _int("close_time_us"),
)
# Finds the rounds that are unfinished, by age. It holds no others, grows at its end,
# and a bet whose own call closes its round never enters it.
UNFINISHED = "closed = 0 AND standing_count > 0"
Index(
    "rounds_unfinished",
    rounds.c.lane,
    rounds.c.open_no,
    sqlite_where=text(UNFINISHED),
    postgresql_where=text(UNFINISHED),
)

sessions = _table(
    "sessions",
    ("lane", "session_no"),
    _int("lane"),
    _int("session_no"),
    _int("player_no"),
    _int("game_no"),
    _int("currency_no"),
    _int("integration_no"),
    _int("token_count"),
    _int("live_token_no"),
    _int("create_time_us"),
    _int("expire_time_us"),
    _int("end_time_us"),
    _int("studio_no"),
)
# Finds the running sessions (end_time_us 0) of a player, however many have ended.
Index("sessions_open", sessions.c.lane, sessions.c.player_no, sessions.c.end_time_us)

session_tokens = _table(
    "session_tokens",
    ("lane", "digest"),
    _int("lane"),
    _text("digest"),
    _int("session_no"),
    _int("token_no"),
    _int("player_no"),
)

launch_tokens = _table(
    "launch_tokens",
    ("lane", "digest"),
    _int("lane"),
    _text("digest"),
    _int("launch_no"),
    _int("player_no"),
    _int("game_no"),
    _int("currency_no"),
    _int("expire_time_us"),
    _int("session_no"),
    _int("studio_no"),
)

reservations = _table(
    "reservations",
    ("lane", "reserve_no"),
    _int("lane"),
    _int("reserve_no"),
    _int("player_no"),
    _int("currency_no"),
    _int("amount"),
    _int("captured"),
    _int("released"),
    _int("capture_count"),
    _int("state"),
    _int("release_no"),
    _int("expire_time_us"),
)
# Finds the open ones that are due, however many are over; it grows at its end.
is_open_reservation = reservations.c.state == literal_column("1")
Index(
    "reservations_due",
    reservations.c.lane,
    reservations.c.expire_time_us,
    reservations.c.reserve_no,
    sqlite_where=is_open_reservation,
    postgresql_where=is_open_reservation,
)

payments = _table(
    "payments",
    ("lane", "payment_no"),
    _int("lane"),
    _int("payment_no"),
    _int("player_no"),
    _int("currency_no"),
    _int("state"),
    _int("amount"),
    _text("payment_method"),
    _text("psp_reference"),
    _int("create_time_us"),
    _int("update_time_us"),
    # A JSON list of what the payment counts against limits, empty for nothing.
    _text("counted"),
)

# Sums since the start of a window, of players who have a limit over it.
counters = _table(
    "counters",
    ("lane", "player_no", "kind", "period", "currency_no", "start_us"),
    _int("lane"),
    _int("player_no"),
    _int("kind"),
    _int("period"),
    _int("currency_no"),
    _int("start_us"),
    _int("amount"),
)

operators = _table(
    "operators",
    ("operator_no",),
    _int("operator_no"),
    _text("operator_id"),
    _text("display_name"),
    _int("enabled"),
    _int("in_maintenance"),
)

brands = _table(
    "brands",
    ("brand_no",),
    _int("brand_no"),
    _text("brand_id"),
    _int("operator_no"),
    _text("display_name"),
    _int("enabled"),
    _int("in_maintenance"),
)

integrations = _table(
    "integrations",
    ("integration_no",),
    _int("integration_no"),
    _text("integration_id"),
    _text("display_name"),
    _int("enabled"),
    # A JSON object of names and numbers.
    _text("rules"),
    _int("in_maintenance"),
    _int("unfinished_round_action"),
    _int("unfinished_round_after_s"),
    _text("history_url_template"),
)

studios = _table(
    "studios",
    ("studio_no",),
    _int("studio_no"),
    _text("studio_id"),
    _text("display_name"),
    _int("enabled"),
    _int("in_maintenance"),
)

games = _table(
    "games",
    ("game_no",),
    _int("game_no"),
    _text("game_id"),
    _int("studio_no"),
    _text("display_name"),
    _int("enabled"),
    _int("in_maintenance"),
    _int("vertical"),
    _text("history_url_template"),
)

currencies = _table(
    "currencies",
    ("currency_no",),
    _int("currency_no"),
    _text("currency_code"),
    _int("scale"),
)

# ``operator_nos`` is a JSON list of numbers, or null for a key that sees all.
api_keys = _table(
    "api_keys",
    ("key_no",),
    _int("key_no"),
    _text("key_id"),
    _text("digest"),
    _int("role"),
    _int("integration_no"),
    _text("operator_nos"),
    _text("display_name"),
    _int("create_time_us"),
    _int("expire_time_us"),
    _int("revoke_time_us"),
)
