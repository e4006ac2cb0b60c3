"""Amounts are converted exactly, or refused; nothing is ever rounded."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cage.core.errors import CageError, Reason
from cage.core.money import INT64_MAX, SCALE_MAX, default_scale, to_ledger


def convert(amount: int, scale: int, ledger_scale: int) -> int:
    """Convert an amount of EUR in the field "amount"."""
    return to_ledger(amount, scale, ledger_scale, field="amount", currency_code="EUR")


@pytest.mark.parametrize(
    ("amount", "scale", "ledger_scale", "converted"),
    [
        (0, 0, 0, 0),
        (0, 18, 0, 0),
        (0, 0, 18, 0),
        (1, 2, 2, 1),
        (1, 0, 2, 100),
        (100, 2, 0, 1),
        (1230, 5, 4, 123),
        (1, 5, 5, 1),
        (100_000, 5, 0, 1),
        (6_372_709_234, 2, 2, 6_372_709_234),
        (6_372_709_234, 2, 5, 6_372_709_234_000),
        (6_372_709_234_000, 5, 2, 6_372_709_234),
        (INT64_MAX, 2, 2, INT64_MAX),
        (INT64_MAX // 100, 0, 2, INT64_MAX // 100 * 100),
        (INT64_MAX // 10**18, 0, 18, INT64_MAX // 10**18 * 10**18),
        (9 * 10**18, 18, 0, 9),
    ],
)
def test_exact(amount: int, scale: int, ledger_scale: int, converted: int) -> None:
    """An amount that can be written at the ledger scale is."""
    assert convert(amount, scale, ledger_scale) == converted


@pytest.mark.parametrize(
    ("amount", "scale", "ledger_scale", "sent_scale"),
    [
        (1, 3, 2, "3"),
        (6_372_709_234_001, 5, 2, "5"),
        (INT64_MAX, 18, 17, "18"),
        (1, 18, 0, "18"),
        (1, -1, 2, "missing"),
        (0, -1, 2, "missing"),
        (100, 19, 2, "19"),
        (0, 19, 2, "19"),
    ],
)
def test_remainder(amount: int, scale: int, ledger_scale: int, sent_scale: str) -> None:
    """A missing scale, or a digit that would be lost, is refused."""
    with pytest.raises(CageError) as caught:
        convert(amount, scale, ledger_scale)

    assert caught.value.reason == Reason.SCALE_MISMATCH
    assert caught.value.metadata == {
        "field": "amount",
        "currency_code": "EUR",
        "ledger_scale": str(ledger_scale),
        "sent_scale": sent_scale,
    }


@pytest.mark.parametrize(
    ("amount", "scale", "ledger_scale", "problem"),
    [
        (-1, 2, 2, "must not be negative"),
        (-1, -1, 2, "must not be negative"),
        (INT64_MAX // 100 + 1, 0, 2, "leaves 64 bits at the ledger scale"),
        (10, 0, 18, "leaves 64 bits at the ledger scale"),
        (INT64_MAX, 0, 1, "leaves 64 bits at the ledger scale"),
    ],
)
def test_range(amount: int, scale: int, ledger_scale: int, problem: str) -> None:
    """A negative amount, or one that leaves 64 bits, is refused."""
    with pytest.raises(CageError) as caught:
        convert(amount, scale, ledger_scale)

    assert caught.value.reason == Reason.AMOUNT_OUT_OF_RANGE
    assert caught.value.metadata == {"field": "amount", "problem": problem}


@given(
    amount=st.integers(0, INT64_MAX),
    scale=st.integers(0, SCALE_MAX),
    ledger_scale=st.integers(0, SCALE_MAX),
)
def test_value_is_kept(amount: int, scale: int, ledger_scale: int) -> None:
    """A conversion that succeeds keeps the value; one that fails could not."""
    exact = Fraction(amount) * Fraction(10) ** (ledger_scale - scale)
    try:
        converted = convert(amount, scale, ledger_scale)
    except CageError as refusal:
        is_fraction = refusal.reason == Reason.SCALE_MISMATCH

        assert is_fraction == (exact.denominator != 1)
        assert is_fraction or exact > INT64_MAX
    else:
        assert converted == exact


@pytest.mark.parametrize(
    ("currency_code", "scale"),
    [
        ("EUR", 2), ("USD", 2), ("ZMW", 2), ("JPY", 0), ("CLP", 0), ("KWD", 3),
        ("TND", 3), ("CLF", 4), ("BTC", 8), ("USDT", 8), ("eur", 8),
    ],
)  # fmt: skip
def test_default_scales(currency_code: str, scale: int) -> None:
    """A currency has the minor unit of ISO 4217, or eight places when it has none."""
    assert default_scale(currency_code) == scale
