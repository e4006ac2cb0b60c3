"""Say in which key space an id of a move is, by the rules of its integration.

By default bets, reserves, wins, awards and adjustments share one. With
``ids_per_kind = SEPARATE`` wins, awards and adjustments have one each; a bet and a
reserve share theirs, because a win may name either. The rule is fixed when an
integration is created: were it switched, a retry would not find its first answer.
"""

from collections.abc import Iterable

from cage.core.registry import Registry
from cage.core.wallet import KeySpace, Kind

_MOVE = int(KeySpace.MOVE)
_OWN = {
    int(Kind.WIN): int(KeySpace.WIN),
    int(Kind.AWARD): int(KeySpace.AWARD),
    int(Kind.ADJUST): int(KeySpace.ADJUST),
}


def move_space(registry: Registry, integration_no: int, kind: int) -> int:
    """Return the key space of a move of a kind.

    A reference without a kind, or with one that is no move, means a bet or a reserve.
    """
    if integration_no not in registry.separating_nos:
        return _MOVE
    return _OWN.get(kind, _MOVE)


def named_moves(
    registry: Registry, integration_no: int, named: Iterable[tuple[int, str]]
) -> list[tuple[int, str]]:
    """Return the key space and the id of each move that is named by kind and id."""
    return [(move_space(registry, integration_no, kind), id_) for kind, id_ in named]
