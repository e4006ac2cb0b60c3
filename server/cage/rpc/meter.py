"""Count calls and operations in plain integers; the metrics page reads them.

A label look-up of a metrics library costs more than a whole count here.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

# Upper bounds of the latency histogram, in seconds; one bucket more is above all.
BOUNDS_S = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
OK = "OK"
CANCELLED = "CANCELLED"


@dataclass(slots=True)
class MethodMeter:
    """Count the calls of one rpc by outcome: OK, CANCELLED or a reason."""

    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: float = 0.0

    def count(self, outcome: str, elapsed_s: float) -> None:
        """Count one call that ended."""
        self.outcomes[outcome] += 1
        self.buckets[bisect_left(BOUNDS_S, elapsed_s)] += 1
        self.seconds += elapsed_s


@dataclass(slots=True)
class Meter:
    """Hold every count of the rpc layer.

    ``operations`` are the operations of all callers, single, streamed or batched, by
    name and outcome; ``replays`` those answered as before. ``failures`` counts what
    the server did wrong: exceptions that are no refusals.
    """

    methods: dict[str, MethodMeter] = field(
        default_factory=lambda: defaultdict(MethodMeter)
    )
    operations: dict[tuple[str, str], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    replays: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    in_flight: int = 0
    streams: int = 0
    failures: int = 0
