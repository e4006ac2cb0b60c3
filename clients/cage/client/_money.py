"""Build exact amounts of money; a float never gets in."""

import re

from cage.type.v1.money_pb2 import Money

_SCALE_MAX = 18
_AMOUNT_MAX = 2**63 - 1
_DECIMAL = re.compile(r"(?P<whole>\d+)(?:\.(?P<fraction>\d+))?", re.ASCII)


def money(
    currency_code: str,
    amount: str | int,
    *,
    scale: int | None = None,
    signed: bool = False,
) -> Money:
    """Build an amount of money from a decimal string, or from units and a scale.

    ``money("INR", "500.00")`` is 50000 units of 10^-2: the string's own decimal
    places are the scale, unless ``scale`` asks for more. ``money("INR", 50000,
    scale=2)`` is the same from the number of units; there the scale is required,
    because a bare number does not say whether it counts rupees or paise. ``signed``
    lets "-5.00" pass too, for the delta of an adjustment.

    Raises TypeError for anything but ``str`` and ``int`` (a float above all), and
    ValueError for what is no plain decimal, is negative, leaves 64 bits, or has
    more decimal places than ``scale`` or than 18.
    """
    if signed and str(amount).startswith("-"):
        size = amount[1:] if isinstance(amount, str) else -amount
        built = money(currency_code, size, scale=scale)
        built.amount = -built.amount
        return built
    if isinstance(amount, bool) or not isinstance(amount, str | int):
        raise TypeError(f"amount must be str or int, not {type(amount).__name__}")
    if isinstance(amount, str):
        units, scale = _parse(amount, scale)
    elif scale is None:
        raise ValueError("an int amount needs its scale, or send a decimal string")
    else:
        units = amount
    if not 0 <= scale <= _SCALE_MAX:
        raise ValueError(f"scale must be 0 to {_SCALE_MAX}, not {scale}")
    if not 0 <= units <= _AMOUNT_MAX:
        raise ValueError("amount must be 0 to 2^63 - 1 units")
    return Money(currency_code=currency_code, amount=units, scale=scale)


def _parse(text: str, scale: int | None) -> tuple[int, int]:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a plain decimal: {text!r}")
    fraction = match["fraction"] or ""
    scale = len(fraction) if scale is None else scale
    if scale < len(fraction):
        raise ValueError(f"{text!r} has more than {scale} decimal places")
    return int(match["whole"] + fraction.ljust(scale, "0")), scale


def decimal_text(units: int, scale: int) -> str:
    """Write ``units`` of 10^-scale as a plain decimal: (-50000, 2) is "-500.00"."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(scale + 1, "0")
    if scale == 0:
        return sign + digits
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"
