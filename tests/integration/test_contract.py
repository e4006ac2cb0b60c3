"""The tests of this folder leave out no rpc and no reason."""

import ast
import re
from pathlib import Path

import pytest
from tests.integration.wire import documented

from cage.client import Method, methods
from cage.error.v1.error_reason_pb2 import ErrorReason

FOLDER = Path(__file__).parent
# The edge-case catalogue of seamless wallets has rows E1 to E48.
EDGE_CASES = range(1, 49)
# Rows that wait for a part which is not there yet; a test of it takes it out here.
WAITING = {
    40: "reality checks at launch come with the protection of players",
    48: "wagering progress comes with bonuses",
}


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
def test_every_rpc_has_a_test(method: Method) -> None:
    """A test that is named after it calls each rpc."""
    names = {
        node.name
        for path in FOLDER.glob("test_*_rpcs.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()

    assert f"test_{snake}" in names


@pytest.mark.parametrize("reason", [r for r in ErrorReason.values() if r])
def test_every_reason_is_raised_here(reason: ErrorReason.ValueType) -> None:
    """Some test of this folder names each reason, and the contract documents it."""
    name = ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    tests = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))

    assert re.search(rf"\b{name}\b", tests)
    assert documented()[name].metadata is not None


def test_every_edge_case_has_a_test() -> None:
    """A test is named after each row of the edge-case catalogue, ``test_e1_...``."""
    names = {
        node.name
        for path in FOLDER.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    # One test may be of several rows: test_e24_e26_...
    prefixes = [re.match(r"test((?:_e\d+)+)_", name) for name in names]
    rows = {
        int(row)
        for prefix in prefixes
        if prefix
        for row in re.findall(r"\d+", prefix.group(1))
    }

    assert rows | set(WAITING) == set(EDGE_CASES)
    assert not rows & set(WAITING)
