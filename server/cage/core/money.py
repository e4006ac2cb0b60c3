"""Convert amounts exactly between scales; Cage never rounds and never floats.

An amount is an integer of units of 10^-scale. The ledger keeps one scale per
currency; a request names its own (DESIGN section 3, Money).
"""

from cage.core.errors import CageError, Reason

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
SCALE_MAX = 18

# ISO 4217 minor units that differ from 2; anything else that looks like an ISO
# code has 2, and the codes that ISO does not know get 8 (crypto).
_ISO_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),
        0,
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_ISO_TWO = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL
    BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD
    EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN
    QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
    TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW
    ZWG""".split()
)


def default_scale(currency_code: str) -> int:
    """Return the ISO 4217 minor unit of a code, or 8 where ISO knows none."""
    if currency_code in _ISO_TWO:
        return 2
    return _ISO_EXPONENTS.get(currency_code, 8)


def to_ledger_signed(
    amount: int, scale: int, ledger_scale: int, *, field: str, currency_code: str
) -> int:
    """Convert an amount that may be negative; see ``to_ledger`` for what it raises."""
    converted = to_ledger(
        abs(amount), scale, ledger_scale, field=field, currency_code=currency_code
    )
    if converted > INT64_MAX:
        # Only the least number of 64 bits has no positive counterpart.
        raise CageError(
            Reason.AMOUNT_OUT_OF_RANGE,
            field=field,
            problem="leaves 64 bits at the ledger scale",
        )
    return converted if amount >= 0 else -converted


def decimal_text(units: int, scale: int) -> str:
    """Write units of 10^-scale, 0 or more, as a plain decimal.

    >>> decimal_text(5, 2)
    '0.05'
    """
    digits = str(units).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def to_ledger(
    amount: int, scale: int, ledger_scale: int, *, field: str, currency_code: str
) -> int:
    """Convert an amount exactly to the ledger scale.

    ``scale`` is -1 when the request sent none. Raises SCALE_MISMATCH when it is
    missing or a remainder would be left, AMOUNT_OUT_OF_RANGE when the amount is
    negative or leaves 64 bits.
    """
    if amount < 0:
        raise CageError(
            Reason.AMOUNT_OUT_OF_RANGE, field=field, problem="must not be negative"
        )
    if scale == ledger_scale:
        return amount
    converted, remainder = amount, 1
    if 0 <= scale <= SCALE_MAX:
        if scale < ledger_scale:
            converted, remainder = amount * 10 ** (ledger_scale - scale), 0
        else:
            converted, remainder = divmod(amount, 10 ** (scale - ledger_scale))
    if remainder:
        raise CageError(
            Reason.SCALE_MISMATCH,
            field=field,
            currency_code=currency_code,
            ledger_scale=str(ledger_scale),
            sent_scale="missing" if scale < 0 else str(scale),
        )
    if converted > INT64_MAX:
        raise CageError(
            Reason.AMOUNT_OUT_OF_RANGE,
            field=field,
            problem="leaves 64 bits at the ledger scale",
        )
    return converted
