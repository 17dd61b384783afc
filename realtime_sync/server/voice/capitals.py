"""Capitals of some countries."""

from __future__ import annotations

import re
from typing import Final, Optional

from .request import Request

_CAPITALS: Final = {
    "Argentina": "Buenos Aires",
    "Australia": "Canberra",
    "Austria": "Vienna",
    "Belgium": "Brussels",
    "Brazil": "Brasilia",
    "Canada": "Ottawa",
    "Chile": "Santiago",
    "China": "Beijing",
    "Colombia": "Bogota",
    "Cuba": "Havana",
    "Denmark": "Copenhagen",
    "Egypt": "Cairo",
    "England": "London",
    "Ethiopia": "Addis Ababa",
    "Finland": "Helsinki",
    "France": "Paris",
    "Germany": "Berlin",
    "Greece": "Athens",
    "Hungary": "Budapest",
    "Iceland": "Reykjavik",
    "India": "New Delhi",
    "Indonesia": "Jakarta",
    "Iran": "Tehran",
    "Iraq": "Baghdad",
    "Ireland": "Dublin",
    "Israel": "Jerusalem",
    "Italy": "Rome",
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Mexico": "Mexico City",
    "Morocco": "Rabat",
    "Nepal": "Kathmandu",
    "New Zealand": "Wellington",
    "Nigeria": "Abuja",
    "Norway": "Oslo",
    "Pakistan": "Islamabad",
    "Peru": "Lima",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Russia": "Moscow",
    "Saudi Arabia": "Riyadh",
    "Scotland": "Edinburgh",
    "South Korea": "Seoul",
    "Spain": "Madrid",
    "Sweden": "Stockholm",
    "Switzerland": "Bern",
    "Thailand": "Bangkok",
    "the Netherlands": "Amsterdam",
    "the Philippines": "Manila",
    "the United Kingdom": "London",
    "the United States": "Washington",
    "Turkey": "Ankara",
    "Ukraine": "Kyiv",
    "Vietnam": "Hanoi",
    "Wales": "Cardiff",
}
_COUNTRIES: Final = {name.lower(): name for name in _CAPITALS} | {
    "america": "the United States",
    "great britain": "the United Kingdom",
    "holland": "the Netherlands",
}
_CITIES: Final = {city.lower(): country for country, city in _CAPITALS.items()}
_UNKNOWN: Final = re.compile(r"\bcapital (?:city )?of (?:the )?(\w+(?: \w+)?)$")


def answer_capital(request: Request) -> Optional[str]:
    """The capital of the country named, or the country of the city named."""
    if not request.has("capital", "capital city", "capitals"):
        return None
    for spoken, country in _COUNTRIES.items():
        if request.has(spoken, f"{spoken}'s"):
            name = country[0].upper() + country[1:]
            if not request.has("capital of", "capital city of"):
                return f"{name} has the capital {_CAPITALS[country]}."
            return f"The capital of {country} is {_CAPITALS[country]}."
    for spoken, country in _CITIES.items():
        if request.has(spoken):
            return f"{_CAPITALS[country]} is the capital of {country}."
    unknown = _UNKNOWN.search(request.core)
    if unknown:
        return f"I do not know the capital of {unknown[1].title()}."
    return None
