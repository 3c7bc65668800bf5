"""Units of measurement with one factor each; what needs an offset (temperatures) or a rate (money) is not here."""

from __future__ import annotations

from decimal import Decimal

_TABLE = {
    "ratio": {"%": "0.01", "permille": "0.001", "ppm": "0.000001"},
    "length": {
        "m meter meters metre metres": "1",
        "km kilometer kilometers kilometre kilometres": "1000",
        "cm centimeter centimeters centimetre centimetres": "0.01",
        "mm millimeter millimeters millimetre millimetres": "0.001",
        "µm um micrometer micrometers": "0.000001",
        "nm nanometer nanometers": "0.000000001",
        "mi mile miles": "1609.344",
        "yd yard yards": "0.9144",
        "ft foot feet": "0.3048",
        "inch inches": "0.0254",
    },
    "mass": {
        "kg kilogram kilograms": "1",
        "g gram grams": "0.001",
        "mg milligram milligrams": "0.000001",
        "t tonne tonnes": "1000",
        "lb lbs pound pounds": "0.45359237",
        "oz ounce ounces": "0.028349523125",
    },
    "time": {
        "s sec secs second seconds": "1",
        "ms millisecond milliseconds": "0.001",
        "µs us microsecond microseconds": "0.000001",
        "min mins minute minutes": "60",
        "h hr hrs hour hours": "3600",
        "d day days": "86400",
        "week weeks": "604800",
    },
    "volume": {
        "l liter liters litre litres": "1",
        "ml milliliter milliliters millilitre millilitres": "0.001",
        "gal gallon gallons": "3.785411784",
    },
    "speed": {"m/s": "3.6", "km/h kph": "1", "mph": "1.609344"},
    "data": {"B byte bytes": "1", "kB KB": "1000", "MB": "1000000", "GB": "1000000000", "TB": "1000000000000"},
    "energy": {"J joule joules": "1", "kJ": "1000", "cal": "4.184", "kcal": "4184", "Wh": "3600", "kWh": "3600000"},
}

UNITS: dict[str, tuple[str, Decimal]] = {
    name: (dimension, Decimal(factor))
    for dimension, members in _TABLE.items()
    for names, factor in members.items()
    for name in names.split()
}


def unit(name: str | None) -> tuple[str, Decimal] | None:
    """Dimension and factor of a unit's name or abbreviation; None for a word that is no known unit."""
    if name is None:
        return None
    return UNITS.get(name) or UNITS.get(name.lower())
