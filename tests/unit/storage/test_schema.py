"""Hold the tables to what a database that is spread over machines asks of them."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Table

from cage.storage.schema import metadata

TABLES = metadata.sorted_tables
HOT = [table for table in TABLES if "lane" in table.columns]
REGISTRY = [table for table in TABLES if "lane" not in table.columns]
# Lists of changes look for a noun over all lanes; it is not unique, so that each shard
# can have its own.
OVER_LANES = {"changes_noun"}


@pytest.mark.parametrize("table", HOT, ids=lambda table: table.name)
def test_keys_lead_with_the_lane(table: Table) -> None:
    """Primary key and indexes of a hot table begin with the shard's key."""
    assert table.primary_key.columns.keys()[0] == "lane"

    for index in table.indexes:
        if index.name in OVER_LANES:
            assert not index.unique
        else:
            assert index.columns.keys()[0] == "lane", index.name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_nothing_leads_over_shards(table: Table) -> None:
    """No table has a foreign key, a sequence or a default of the database."""
    assert not table.foreign_keys
    assert table.autoincrement_column is None

    for column in table.columns:
        assert column.server_default is None, column
        assert column.default is None, column


def test_guide_distributes_every_table() -> None:
    """The page on distributed databases places each table once, in its right kind."""
    page = Path(__file__).resolve().parents[3] / "docs" / "distributed-postgres.md"
    sql = "".join(
        re.findall(r"^SELECT.*?;$", page.read_text(), re.DOTALL | re.MULTILINE)
    )
    spread, _, everywhere = sql.partition("create_reference_table")
    names = re.findall(r"'([a-z_]+)'", sql)

    for table in HOT:
        assert f"'{table.name}'" in spread, table.name
    for table in REGISTRY:
        assert table.name in names, table.name
        assert f"'{table.name}'" in everywhere, table.name
