"""Hold what was measured against its budget, as a table and as JSON."""

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

PACKAGES = ("grpcio", "protobuf", "uvloop", "sqlalchemy", "orjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Say what a row measures and how far it may go."""

    what: str
    unit: str
    # The bound that has to hold.
    budget: float
    # The bound that would be splendid.
    moonshot: float
    better: Literal["higher", "lower"]

    def holds(self, value: float, bound: float) -> bool:
        """Say whether a value keeps a bound."""
        return value >= bound if self.better == "higher" else value <= bound


BUDGETS = {
    "unary_vs_empty": Budget(
        what="CPU of an empty call over CPU of a Bet, 64 in flight, all gates on",
        unit="ratio",
        budget=0.4,
        moonshot=0.6,
        better="higher",
    ),
    "stream_vs_empty": Budget(
        what="CPU of an empty call over CPU of a bet on StreamExecute, 4 x 64 frames",
        unit="ratio",
        budget=1.0,
        moonshot=1.8,
        better="higher",
    ),
    "batch_vs_empty": Budget(
        what="CPU of an empty call over CPU of a bet in BatchExecute of 100",
        unit="ratio",
        budget=2.0,
        moonshot=4.0,
        better="higher",
    ),
    "engine_sqlite_vs_plain": Budget(
        what="bets/s of the engine beside a busy loop over those of plain sqlite3",
        unit="ratio",
        budget=0.4,
        moonshot=0.6,
        better="higher",
    ),
    "engine_postgres_vs_pgbench": Budget(
        what="bets/s of the engine on PostgreSQL over pgbench TPC-B tps, same server",
        unit="ratio",
        budget=3.0,
        moonshot=6.0,
        better="higher",
    ),
    "single_p50_vs_empty": Budget(
        what="one caller: p50 of a bet over p50 of an empty call",
        unit="ratio",
        budget=3.0,
        moonshot=2.0,
        better="lower",
    ),
    "single_p50_postgres": Budget(
        what="one caller, PostgreSQL: p50 of a bet over p50 of an empty call",
        unit="ratio",
        budget=8.0,
        moonshot=5.0,
        better="lower",
    ),
    "half_load_p99_vs_empty": Budget(
        what="open loop at half of the peak: p99 of a bet over p99 of an empty call",
        unit="ratio",
        budget=4.0,
        moonshot=2.0,
        better="lower",
    ),
    "overload_goodput": Budget(
        what="three times the peak offered: bets/s answered OK over the peak",
        unit="ratio",
        budget=0.8,
        moonshot=0.95,
        better="higher",
    ),
    "history_sqlite": Budget(
        what="bets/s of the engine on SQLite, 5 million stored over 1 million",
        unit="ratio",
        budget=0.8,
        moonshot=0.95,
        better="higher",
    ),
    "history_postgres": Budget(
        what="bets/s of the engine on PostgreSQL, 5 million stored over 1 million",
        unit="ratio",
        budget=0.8,
        moonshot=0.95,
        better="higher",
    ),
    "rss_growth": Budget(
        what="growth of resident memory over a million bets after warm-up",
        unit="%",
        budget=5.0,
        moonshot=0.0,
        better="lower",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one measured row."""

    id: str
    value: float
    # What the value is the median of, or was computed from.
    samples: Sequence[object]
    # Absolute figures, for people.
    note: str = field(default="")

    @property
    def budget(self) -> Budget:
        """Return the row's budget."""
        return BUDGETS[self.id]

    @property
    def verdict(self) -> str:
        """Say in a word how the value stands."""
        budget = self.budget
        if budget.holds(self.value, budget.moonshot):
            return "moonshot"
        return "ok" if budget.holds(self.value, budget.budget) else "MISSED"


def table(rows: Sequence[Row]) -> str:
    """Write rows as a table."""
    lines = [
        f"{'id':<24}{'value':>8}  {'budget':>7} {'moonshot':>8}  {'verdict':<9} figures"
    ]
    for row in rows:
        sign = ">=" if row.budget.better == "higher" else "<="
        unit = "%" if row.budget.unit == "%" else ""
        lines.append(
            f"{row.id:<24}{row.value:>7.2f}{unit or ' '}  "
            f"{sign}{row.budget.budget:>5g} {sign}{row.budget.moonshot:>6g}  "
            f"{row.verdict:<9} {row.note}"
        )
    return "\n".join(lines)


def write(path: Path, rows: Sequence[Row], **run: object) -> None:
    """Write rows as JSON, with what is known of the machine and the run."""
    found = [
        {
            "id": row.id,
            "value": row.value,
            **asdict(row.budget),
            "verdict": row.verdict,
            "note": row.note,
            "samples": row.samples,
        }
        for row in rows
    ]
    content = {"machine": machine(), "run": run, "rows": found}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """Describe the machine and the versions that decide the figures."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
