"""verify names what is wrong with the books, whatever was done to their rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.calls import (
    adjust,
    award,
    bet,
    capture,
    close_round,
    play,
    reinstate,
    release,
    reserve,
    rollback,
    rollback_list,
    rollback_round,
    win,
)
from tests.simulation.commands import authorize, require_session, transfer
from tests.simulation.databases import Database, connect
from tests.simulation.deployment import (
    OFFICE_KEY,
    Clock,
    contents,
    fresh_database,
    open_writer,
    set_status,
)

from cage.core.jurisdiction import LimitPeriod
from cage.core.limit import LimitKind, LimitOrigin, SetLimit
from cage.core.player import PlayerStatus
from cage.core.reservation import ExpireReserve
from cage.core.wallet import Kind, State
from cage.storage import Finding, verify


def limited() -> list[Any]:
    """List calls of a player with limits: they count, and one is given back."""
    which: dict[str, Any] = {
        "key_id": OFFICE_KEY,
        "player_id": "bob",
        "period": LimitPeriod.DAY,
        "origin": LimitOrigin.PLAYER,
        "currency_code": "EUR",
        "amount": 1_000,
        "scale": 2,
        "currency_rule": 0,
    }
    kinds = (LimitKind.DEPOSIT, LimitKind.LOSS, LimitKind.WAGER)
    return [
        *(SetLimit(**which, request_id=f"limit {kind}", kind=kind) for kind in kinds),
        bet("c1", 7, player_id="bob"),
        bet("c2", 3, player_id="bob"),
        rollback("c4", "c2", player_id="bob"),
        win("c3", 2, player_id="bob"),
    ]


HISTORY: list[Any] = [
    bet("b1", 120),
    win("w1", 40, bet_transaction_id="b1"),
    bet("b2", 5, round_id="r2"),
    rollback("x2", "b2"),
    rollback("x3", "b3"),
    bet("b4", 5_000),
    play(bet("p1", 3), win("p2", 7), round_id="r3", round_closed=True),
    rollback("x4", "p1"),
    award("a1", 9),
    award("a2", 9, informational=True, round_id="r4"),
    reserve("h1", 20, round_id="r5"),
    capture("k1", 5, round_id="r5"),
    capture("k2", 3, round_id="r5"),
    reserve("h2", 4, round_id="r5"),
    release("y1"),
    reserve("h3", 2, round_id="r6", life_us=-1),
    close_round(),
    adjust("c1", -7, "w1"),
    bet("b6", 2, round_id="r16"),
    bet("b7", 2, round_id="r16"),
    rollback_list("x6", "b6", "b8", "b7"),
    rollback("x9", "b6"),
    reinstate("y6", "x6"),
    rollback_round("x17", round_id="r16"),
    reinstate("y7", "x17"),
    rollback_round("x18", round_id="r18"),
    set_status("block", "ann", PlayerStatus.SUSPENDED),
    bet("b5", 1, player_id="bob"),
    *limited(),
]


@pytest.fixture
def database(tmp_path: Database, kind: str) -> Database:
    """Return a deployment that has seen every kind of item."""
    path: Database = fresh_database(tmp_path, kind=kind)
    with open_writer(path, Clock()) as writer:
        for command in HISTORY:
            writer.apply([command])
        for item_no in range(60, 130):
            writer.apply([ExpireReserve(player_id="ann", reserve_no=item_no)])
        writer.apply([authorize("pay", "bob", 500)])
        writer.apply([transfer(item_no, "bob", 500) for item_no in range(60, 130)])
    return path


def corrupt(path: Database, statement: str, *values: object) -> None:
    """Run one statement on the file, which has to change something."""
    for name, text in NAMES.items():
        statement = statement.replace(name, text)
    connection = connect(path)
    with connection:
        changed = connection.execute(statement, values).rowcount
    connection.close()

    assert changed


def only_finding(path: Database) -> Finding:
    """Return the one finding, which can be printed."""
    (finding,) = verify(path)

    assert finding.name in str(finding)

    return finding


def test_right_books_are_clean(database: Database) -> None:
    """Books that nobody touched have no finding, on a file that is in use too."""
    assert verify(database) == []

    with open_writer(database, Clock()) as writer:
        writer.apply([bet("late", 1, player_id="bob")])

        assert verify(database) == []


def test_new_database_is_clean(tmp_path: Path) -> None:
    """A database without any item has no finding."""
    path = tmp_path / "new.db"
    with open_writer(path, Clock()):
        pass

    assert verify(path) == []


def test_verify_writes_nothing(database: Database) -> None:
    """Verifying leaves every row as it is."""
    connection = connect(database)
    before = contents(connection)
    verify(database)

    assert contents(connection) == before

    connection.close()


# What names in statements stand for: the first bet, another one, a part of a list.
NAMES = {
    "$BET": "transaction_id = 'b1' AND key_space = 1",
    "$B7": "(SELECT item_no FROM transactions WHERE transaction_id = 'b7')",
    "$X6": "(SELECT item_no FROM transactions WHERE transaction_id = '2/x6/0')",
    "$ITEM": "(SELECT item_no FROM transactions WHERE transaction_id = 'b1')",
}

# What was done, and what is found.
CHANGES: list[tuple[str, str]] = [
    ("UPDATE transactions SET amount = 119 WHERE $BET", "changed amount"),
    ("UPDATE transactions SET cash = -99 WHERE $BET", "changed amount"),
    ("UPDATE transactions SET bonus = -21 WHERE $BET", "changed amount"),
    (
        "UPDATE transactions SET amount = 119, cash = -99 WHERE $BET",
        "changed amount",
    ),
    ("UPDATE transactions SET cash_after = 1 WHERE $BET", "wrong balance"),
    ("UPDATE transactions SET bonus_after = 1 WHERE $BET", "wrong balance"),
    ("UPDATE transactions SET version = 9 WHERE $BET", "missing version"),
    ("UPDATE transactions SET wallet_sequence = 9 WHERE $BET", "missing transaction"),
    ("UPDATE transactions SET previous_no = 1 WHERE $BET", "wrong chain"),
    ("UPDATE transactions SET anchor_no = 1 WHERE $BET", "wrong chain"),
    ("UPDATE transactions SET round_previous_no = 1 WHERE $BET", "wrong round chain"),
    ("UPDATE transactions SET transaction_id = 'zz' WHERE $BET", "broken chain"),
    ("UPDATE transactions SET extra = '{}' WHERE $BET", "broken chain"),
    ("UPDATE transactions SET commit_time_us = 5 WHERE $BET", "broken chain"),
    ("UPDATE transactions SET integration_no = 8 WHERE $BET", "broken chain"),
    ("UPDATE transactions SET item_no = 999 WHERE $BET", "missing item"),
    ("DELETE FROM transactions WHERE $BET", "missing item"),
    ("DELETE FROM transactions WHERE transaction_id = 'b3'", "missing item"),
    (
        "DELETE FROM transactions WHERE transaction_id IN ('b3', 'x3')",
        "missing item",
    ),
    ("DELETE FROM transactions WHERE transaction_id = 'b4'", "missing item"),
    ("UPDATE transactions SET state = 1 WHERE transaction_id = 'b4'", "changed amount"),
    ("UPDATE transactions SET cash = 1 WHERE transaction_id = 'b4'", "missing entry"),
    ("UPDATE transactions SET state = 1 WHERE transaction_id = 'b3'", "broken chain"),
    (
        "UPDATE transactions SET reference_no = 1 WHERE transaction_id = 'x2'",
        "missing original",
    ),
    # What is about several: "2/x6/0" is the first part of the list x6.
    ("UPDATE transactions SET key_space = 2 WHERE transaction_id = '2/x6/0'",
     "missing part"),
    ("UPDATE transactions SET reference_no = $B7 WHERE transaction_id = '2/x17/1'",
     "reversed twice"),
    ("UPDATE transactions SET reference_no = 1 WHERE transaction_id = '5/y6/0'",
     "missing original"),
    ("UPDATE transactions SET reference_no = $X6 WHERE transaction_id = '5/y6/0'",
     "reversed twice"),
    ("UPDATE rounds SET cancelled = 0 WHERE round_id = 'r18'", "wrong round"),
    ("UPDATE entries SET amount = 119 WHERE item_no = $ITEM AND account = 10",
     "unbalanced entries"),
    ("UPDATE entries SET amount = -99 WHERE item_no = $ITEM AND account = 1",
     "wrong entry"),
    ("UPDATE entries SET balance_after = 7 WHERE item_no = $ITEM AND account = 1",
     "wrong entry"),
    ("UPDATE entries SET version = 7 WHERE item_no = $ITEM AND account = 1",
     "wrong entry"),
    ("UPDATE entries SET account = 12 WHERE item_no = $ITEM AND account = 10",
     "broken chain"),
    ("UPDATE entries SET account = 99 WHERE item_no = $ITEM AND account = 10",
     "unreadable row"),
    ("UPDATE entries SET currency_no = 2 WHERE item_no = $ITEM AND account = 10",
     "broken chain"),
    ("DELETE FROM entries WHERE item_no = $ITEM AND account = 10",
     "unbalanced entries"),
    ("DELETE FROM entries WHERE item_no = $ITEM AND account = 1", "changed amount"),
    ("DELETE FROM entries WHERE item_no = $ITEM", "missing entry"),
    ("DELETE FROM entries", "missing entry"),
    ("UPDATE batches SET hash = 'x' WHERE sequence = 5", "broken chain"),
    ("UPDATE batches SET commit_time_us = 5 WHERE sequence = 5", "broken chain"),
    ("UPDATE batches SET first_no = first_no + 1 WHERE sequence = 5",
     "batch out of place"),
    ("UPDATE batches SET item_count = 999 WHERE sequence = 5", "missing item"),
    ("DELETE FROM batches WHERE sequence = 5", "missing batch"),
    ("DELETE FROM batches WHERE sequence = (SELECT max(sequence) FROM batches)",
     "missing batch"),
    ("UPDATE lanes SET hash = 'x'", "wrong head"),
    ("UPDATE lanes SET item_no = item_no - 1", "wrong head"),
    ("UPDATE lanes SET sequence = sequence - 1", "missing batch"),
    ("UPDATE wallets SET cash = cash + 1 WHERE player_no = 17", "wrong balance"),
    ("UPDATE wallets SET bonus = bonus - 1 WHERE player_no = 17", "wrong balance"),
    ("UPDATE wallets SET version = 1 WHERE player_no = 17", "wrong balance"),
    ("UPDATE wallets SET last_no = 1 WHERE player_no = 17", "wrong balance"),
    ("UPDATE wallets SET held = 1 WHERE player_no = 17", "wrong balance"),
    ("DELETE FROM wallets WHERE player_no = 17", "missing wallet"),
    ("UPDATE wallets SET player_no = 99 WHERE player_no = 17", "missing wallet"),
    ("UPDATE rounds SET win_amount = 1 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE rounds SET adjust_count = 2 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE rounds SET adjust_amount = 7 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE transactions SET amount = -8 WHERE kind = 8", "changed amount"),
    ("UPDATE rounds SET bet_cash = 1 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE rounds SET standing_count = 0 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE rounds SET open_no = 1 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE integrations SET unfinished_round_action = 3", "wrong integration"),
    ("UPDATE games SET history_url_template = 'x'", "wrong game"),
    ("UPDATE rounds SET closed = 0 WHERE round_id = 'r1'", "wrong round"),
    ("UPDATE rounds SET close_time_us = 1 WHERE round_id = 'r2'", "wrong round"),
    ("DELETE FROM rounds WHERE round_id = 'r1'", "missing round"),
    ("UPDATE wallets SET reserved = 5 WHERE player_no = 17", "wrong balance"),
    ("UPDATE transactions SET reserved_after = 1 WHERE kind = 9", "wrong balance"),
    ("UPDATE transactions SET amount = 19 WHERE transaction_id = 'h1'",
     "changed amount"),
    ("UPDATE transactions SET amount = 6 WHERE transaction_id = 'k1'",
     "changed amount"),
    ("UPDATE transactions SET amount = 11 WHERE transaction_id = 'y1'",
     "changed amount"),
    ("UPDATE transactions SET reference_no = 1 WHERE transaction_id = 'k1'",
     "missing original"),
    ("UPDATE entries SET amount = -4 WHERE account = 3 AND amount = -5",
     "wrong entry"),
    ("DELETE FROM entries WHERE account = 3 AND amount = -5", "missing entry"),
    ("UPDATE reservations SET captured = 7 WHERE captured = 8", "wrong reservation"),
    ("UPDATE reservations SET released = 13 WHERE released = 12",
     "wrong reservation"),
    ("UPDATE reservations SET capture_count = 1 WHERE capture_count = 2",
     "wrong reservation"),
    ("UPDATE reservations SET state = 1 WHERE state = 4", "wrong reservation"),
    ("UPDATE reservations SET state = 3 WHERE state = 1", "wrong reservation"),
    ("UPDATE reservations SET release_no = 0 WHERE state = 3", "wrong reservation"),
    ("UPDATE reservations SET expire_time_us = 1 WHERE state = 1",
     "wrong reservation"),
    ("DELETE FROM reservations WHERE state = 1", "missing reservation"),
    ("UPDATE reservations SET reserve_no = 1 WHERE state = 1", "missing reservation"),
    ("UPDATE rounds SET bet_cash = 9 WHERE round_id = 'r5'", "wrong round"),
    ("UPDATE gates SET status = 2 WHERE player_id = 'ann'", "wrong player"),
    ("UPDATE gates SET is_test = 1 WHERE player_id = 'bob'", "wrong player"),
    ("UPDATE players SET country_code = 'XX' WHERE player_no = 17", "wrong player"),
    ("DELETE FROM gates WHERE player_id = 'ann'", "missing player"),
    ("DELETE FROM players WHERE player_no = 17", "missing player"),
    ("UPDATE payments SET amount = 501", "wrong payment"),
    ("UPDATE gates SET limits = '' WHERE player_id = 'bob'", "wrong player"),
    ("UPDATE counters SET amount = amount + 1 WHERE kind = 1", "wrong counter"),
    ("UPDATE counters SET amount = amount + 1 WHERE kind = 2", "wrong counter"),
    ("UPDATE counters SET amount = 3 WHERE kind = 3", "wrong counter"),
    ("UPDATE counters SET start_us = start_us + 1", "wrong counter"),
    ("DELETE FROM counters WHERE kind = 2", "wrong counter"),
    ("INSERT INTO counters VALUES (0, 17, 2, 2, 1, 0, 5)", "wrong counter"),
    ("UPDATE payments SET counted = ''", "wrong counter"),
    ("UPDATE transactions SET extra = replace(extra, ',7]', ',6]')",
     "wrong count"),
    ("UPDATE transactions SET extra = NULL WHERE transaction_id = 'c4'",
     "broken chain"),
    ("UPDATE sessions SET end_time_us = 0 WHERE end_time_us > 0", "wrong session"),
    ("DELETE FROM session_tokens WHERE digest = 's-rotated'", "missing session_token"),
    ("UPDATE api_keys SET revoke_time_us = 1", "wrong key"),
    ("UPDATE games SET enabled = 0", "wrong game"),
    ("UPDATE currencies SET scale = 3", "wrong currency"),
    ("UPDATE changes SET after = '{}' WHERE noun = 'player'", "broken chain"),
    ("DELETE FROM changes WHERE noun = 'game'", "missing item"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "name"), CHANGES)
def test_change_is_named(database: Database, statement: str, name: str) -> None:
    """A row that was changed or deleted is found, and the finding says what it is."""
    corrupt(database, statement)

    assert only_finding(database).name == name


@pytest.mark.parametrize(
    ("table", "item_no"),
    [
        (table, item_no)
        for table in ("transactions", "entries", "changes")
        for item_no in (0, 99_999)
    ],
)
def test_row_outside_of_the_journal(
    database: Database, table: str, item_no: int
) -> None:
    """A row that no batch holds is found."""
    connection = connect(database)
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608
    names = [each[0] for each in cursor.description]
    row = dict(zip(names, cursor.fetchone(), strict=True))
    connection.close()
    row["item_no"] = item_no
    if table == "transactions":
        row["transaction_id"] = "planted"
    marks = ", ".join("?" * len(row))
    corrupt(database, f"INSERT INTO {table} VALUES ({marks})", *row.values())  # noqa: S608

    assert only_finding(database).name == "unjournalled row"


def test_entries_of_a_change(database: Database) -> None:
    """Money on an item that is no transaction is found."""
    change = "(SELECT max(item_no) FROM changes)"
    corrupt(
        database,
        f"INSERT INTO entries VALUES (0, {change}, 1, 17, 1, 5, 5, 9)",  # noqa: S608
    )

    assert only_finding(database).name in {"broken chain", "wrong entry"}


def test_tampering_in_step_is_found(database: Database) -> None:
    """A win that is raised in all of its rows and in the wallet breaks the chain."""
    connection = connect(database)
    with connection:
        (item_no,) = connection.execute(
            "SELECT item_no FROM transactions WHERE transaction_id = 'a1'"
        ).fetchone()
        connection.execute(
            "UPDATE transactions SET amount = amount + 1, cash = cash + 1"
            " WHERE item_no = ?",
            (item_no,),
        )
        connection.execute(
            "UPDATE transactions SET cash_after = cash_after + 1"
            " WHERE item_no >= ? AND player_no = 17",
            (item_no,),
        )
        connection.execute(
            "UPDATE entries SET amount = amount + 1, balance_after = balance_after + 1"
            " WHERE item_no = ? AND account = 1",
            (item_no,),
        )
        connection.execute(
            "UPDATE entries SET amount = amount - 1 WHERE item_no = ? AND account = 11",
            (item_no,),
        )
        connection.execute("UPDATE wallets SET cash = cash + 1 WHERE player_no = 17")
    connection.close()
    finding = only_finding(database)

    assert finding.name == "broken chain"
    assert finding.place.startswith("batch 0/")


def test_cut_tail_is_found(database: Database) -> None:
    """Deleting the last commit, with its rows, differs from the head."""
    connection = connect(database)
    with connection:
        sequence, first_no = connection.execute(
            "SELECT sequence, first_no FROM batches ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        for table in ("transactions", "entries", "changes"):
            connection.execute(
                f"DELETE FROM {table} WHERE item_no >= ?",  # noqa: S608
                (first_no,),
            )
        connection.execute("DELETE FROM batches WHERE sequence = ?", (sequence,))
    connection.close()
    finding = only_finding(database)

    assert finding == Finding(
        name="missing batch",
        place="head of lane 0",
        expected=sequence,
        found=sequence - 1,
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("transactions", "cash"),
        ("entries", "amount"),
        ("batches", "item_count"),
        ("wallets", "cash"),
        ("rounds", "bet_cash"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_text_in_place_of_a_number(database: Database, table: str, column: str) -> None:
    """A value of another type is a finding, not a failure of verify."""
    corrupt(database, f"UPDATE {table} SET {column} = 'much'")  # noqa: S608

    assert only_finding(database).name


def test_place_says_which_item(database: Database) -> None:
    """The finding names the first item that differs, what it should be and what is."""
    corrupt(database, "UPDATE transactions SET version = version + 1")
    connection = connect(database)
    (item_no,) = connection.execute("SELECT min(item_no) FROM transactions").fetchone()
    connection.close()

    assert only_finding(database) == Finding(
        name="missing version", place=f"item 0/{item_no}", expected=1, found=2
    )


def test_no_database(tmp_path: Path) -> None:
    """A file that is no database is a finding."""
    path = tmp_path / "text.db"
    path.write_text("This is no database, but it is long enough for a header." * 9)

    assert only_finding(path).name == "unreadable database"


def test_every_kind_is_in_the_history(database: Database) -> None:
    """The books under test hold every kind and state of transaction."""
    connection = connect(database)
    kinds = connection.execute("SELECT DISTINCT kind FROM transactions").fetchall()
    states = connection.execute("SELECT DISTINCT state FROM transactions").fetchall()
    connection.close()

    assert {kind for (kind,) in kinds} == {int(kind) for kind in Kind}
    assert {state for (state,) in states} == set(State)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM id_claims WHERE transaction_id = 'k1'",
        "UPDATE id_claims SET player_no = 1 WHERE transaction_id = 'k1'",
        "UPDATE id_claims SET transaction_id = 'k9' WHERE transaction_id = 'k1'",
        (
            "INSERT INTO id_claims SELECT lane, integration_no, key_space, 'k2',"
            " player_no, kind, item_no FROM id_claims"
        ),
    ],
)
def test_claims_follow_from_transactions(database: Path, statement: str) -> None:
    """A claim of an id that is missing, changed or made up is named."""
    with open_writer(database, Clock()) as writer:
        rules = {"id_scope": 2}
        writer.apply(
            [
                replace(
                    require_session("scope", "hub", bet_needs_session=False),
                    rules=rules,
                )
            ]
        )
        writer.apply([bet("k1", 1, player_id="bob")])

    assert verify(database) == []

    corrupt(database, statement)

    assert only_finding(database).name == "wrong claim"
