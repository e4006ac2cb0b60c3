"""Money is built exactly, or not at all."""

from typing import Any

import pytest

from cage.client import decimal_text, money
from cage.type.v1.money_pb2 import Money


@pytest.mark.parametrize(
    ("amount", "scale", "units", "written_scale"),
    [
        ("500.00", None, 50000, 2),
        ("500", None, 500, 0),
        ("500", 2, 50000, 2),
        ("0.1", 2, 10, 2),
        ("0.000000000000000001", None, 1, 18),
        ("0", None, 0, 0),
        ("007.50", None, 750, 2),
        ("92233720368547758.07", None, 2**63 - 1, 2),
        (50000, 2, 50000, 2),
        (0, 0, 0, 0),
    ],
)
def test_exact_amounts(
    amount: str | int, scale: int | None, units: int, written_scale: int
) -> None:
    """A decimal string or a number of units becomes exactly that amount."""
    built = money("INR", amount, scale=scale)

    assert built == Money(currency_code="INR", amount=units, scale=written_scale)
    assert built.HasField("scale")


@pytest.mark.parametrize(
    ("amount", "scale", "units"),
    [("-5.00", None, -500), ("5.00", None, 500), (-500, 2, -500), (500, 2, 500)],
)
def test_signed_amounts(amount: str | int, scale: int | None, units: int) -> None:
    """A delta may be negative."""
    built = money("INR", amount, scale=scale, signed=True)

    assert built == Money(currency_code="INR", amount=units, scale=2)


@pytest.mark.parametrize("amount", ["--1", "-", "-1e3", -1.0])
def test_sign_is_one_minus(amount: Any) -> None:
    """A signed amount is a plain decimal behind at most one minus."""
    with pytest.raises((TypeError, ValueError)):
        money("INR", amount, scale=2, signed=True)


@pytest.mark.parametrize(
    ("amount", "scale", "error"),
    [
        (5.0, 2, TypeError),
        (True, 2, TypeError),
        (None, 2, TypeError),
        (500, None, ValueError),
        (-1, 2, ValueError),
        (2**63, 0, ValueError),
        (1, 19, ValueError),
        (1, -1, ValueError),
        ("-1.00", None, ValueError),
        ("+1", None, ValueError),
        ("1e3", None, ValueError),
        ("1,000", None, ValueError),
        (" 1", None, ValueError),
        ("1.", None, ValueError),
        (".5", None, ValueError),
        ("", None, ValueError),
        ("\u0661", None, ValueError),
        ("1\n", None, ValueError),
        ("1.005", 2, ValueError),
        ("0.0000000000000000001", None, ValueError),
        ("9223372036854775808", None, ValueError),
    ],
)
def test_what_is_not_exact(amount: Any, scale: int | None, error: type) -> None:
    """Floats, signs, other notations and lost decimal places are refused."""
    with pytest.raises(error):
        money("INR", amount, scale=scale)


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [
        (50000, 2, "500.00"),
        (-50000, 2, "-500.00"),
        (5, 2, "0.05"),
        (-5, 3, "-0.005"),
        (0, 2, "0.00"),
        (7, 0, "7"),
        (-(2**63), 18, "-9.223372036854775808"),
    ],
)
def test_decimal_text(units: int, scale: int, text: str) -> None:
    """Units are written as a plain decimal, with the sign in front."""
    written = decimal_text(units, scale)

    assert written == text
    if units >= 0:
        assert money("INR", written).amount == units
