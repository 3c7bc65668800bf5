"""Facts from short business messages by rules: patterns for dates, times, money and numbers, cue words for names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from evalkit.baselines._answering import Named, Reader, as_json
from evalkit.baselines._facts import dates, moneys, times
from evalkit.core.options import build

VERSION = 1

_KINDS = {
    "invoice": "invoice rechnung fattura factura facture faktura statement account reminder total due pay",
    "delivery": "delivery deliver lieferung parcel tracking track consignment courier truck paket spedizione",
    "meeting": "meeting minutes agenda lädt invita convocatoria rehearsal chair review consultation talk besprechen",
    "listing": "sale asks rent kaltmiete available price offer lot annonce inserat sælges wanted",
    "booking": "booking booked reservation ticket nights confirmed arrival prenotazione bokning seat contract check-in",
}
_DATE_WORDS = (
    "by|due|until|payable|before|deliver\\w*|arriv\\w*|on|instead|moved|next|neuer|termin|am|scadenza|hasta|senast|bis"
)
_MONEY_WORDS = (
    "total|due|owe|leaves|macht|zusammen|summe|altogether|in all|all up|comes to|asks?|remaining|paid|netto|warm|razem"
)
_REFERENCE_WORDS = (
    "invoice|booking|order|ref\\.?|no\\.|nr\\.?|fattura n\\.|factura|faktura|lieferung|file|quote|lot|confirmation|"
    "track it with|job|contract|bokning"
)
_DATE_CUES = re.compile(rf"\b(?:{_DATE_WORDS})\b[^.]{{0,24}}\Z", re.IGNORECASE)
_OLD_CUES = re.compile(
    r"\b(?:dated|of|instead of|not|neither|wie angekündigt am|present|closed|sent)\s(?:the\s)?\Z", re.IGNORECASE
)
_MONEY_CUES = re.compile(rf"\b(?:{_MONEY_WORDS})\b[^.]{{0,24}}\Z", re.IGNORECASE)
_REFERENCE = re.compile(rf"\b(?:{_REFERENCE_WORDS})[\s:#]+(?P<v>(?=[\w/-]*\d)[A-Z0-9][\w/-]*)", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w-])(?P<v>[A-Z]{1,4}[-/ ]?\d[\w/-]*|[A-Z0-9]*\d[A-Z0-9]*-[\w-]*\d[\w-]*)(?![\w-])")
_CAPITAL = r"[A-ZÀ-ÖØ-ÞŁŚ][\w'’-]*"  # noqa: RUF001
_NAME = rf"{_CAPITAL}(?:\s+(?:&\s+|da\s+|del\s+|de\s+)?{_CAPITAL})+"
_SUFFIX = (
    "Ltd|Limited|AS|AB|GmbH|AG|Inc|LLC|Services?|Council|Verlag|School|Hospital|Association|Shop|Hosting|Transport|"
    "Freight|Cent(?:re|er)|Union|Society"
)
_COMPANY = re.compile(rf"(?P<v>(?:{_CAPITAL}\s+(?:&\s+)?)+(?:{_SUFFIX}))\b")
_HEAD = re.compile(rf"\A\W*(?P<v>{_NAME})(?=\s*[:,(.-])")
_ANY_NAME = re.compile(rf"(?P<v>{_NAME})")
_PERSON_WORDS = (
    "ask for|questions to|contact[^:.]{0,20}:|for|with|by|chair,?|Herr|Frau|Ms|Mrs|Mr|Dr|pilot will be|instructor is|"
    "driver:|für|an"
)
_PERSON = re.compile(rf"\b(?i:{_PERSON_WORDS})\s+(?:Dr\s+|Herr\s+)?(?P<v>{_CAPITAL}\s+{_CAPITAL})")
_SIGNED = re.compile(rf"[.!?]\s+(?P<v>{_CAPITAL}\s+{_CAPITAL})\W*\Z")
_PLACE = re.compile(rf"\b(?:in|at|to|à|en|i|a)\s+(?P<v>{_CAPITAL})(?=[\s.,;:)!?])")
_AFTER_COMMA = re.compile(rf",\s+(?P<v>{_CAPITAL})(?=\s*[.:,]|\Z)")


class Spot(Protocol):
    """Something that stands somewhere in a text."""

    @property
    def start(self) -> int: ...


@dataclass(frozen=True)
class RuleExtractor(Reader, Named):
    """Fills kind, organisation, person, reference, amount, currency, date, time and place; null where no rule fires.

    With `cues`, words before a date or an amount decide which one counts ("due", "total"); without, the first one does.
    """

    cues: bool = True
    text: str = "text"
    kind: ClassVar[str] = "rule_extractor"
    version: ClassVar[int] = VERSION

    def reply(self, text: str) -> str:
        """A JSON object of all nine fields."""
        return as_json(self.extract(text))

    def extract(self, text: str) -> dict[str, Any]:
        """The nine fields of a text; dates are ISO, times HH:MM, amounts numbers, currencies ISO 4217."""
        money = self._chosen(text, moneys(text), _MONEY_CUES, None)
        day = self._chosen(text, dates(text), _DATE_CUES, _OLD_CUES)
        clock = times(text)
        organisation = _first(text, _COMPANY, _HEAD, _ANY_NAME)
        return {
            "kind": _kind(text),
            "organisation": organisation,
            "person": _first(text, _PERSON, _SIGNED),
            "reference": _first(text, _REFERENCE, _CODE),
            "amount": None if money is None else _whole(money.amount),
            "currency": None if money is None else money.currency,
            "date": None if day is None else day.value,
            "time": clock[0].value if clock else None,
            "place": _first(text, _PLACE, _AFTER_COMMA),
        }

    def _chosen(self, text: str, spots: Sequence[Any], cues: re.Pattern[str], against: re.Pattern[str] | None) -> Any:
        if not spots:
            return None
        if not self.cues:
            return spots[0]
        return max(spots, key=lambda spot: (_weight(text, spot, cues, against), -spot.start))


def _weight(text: str, spot: Spot, cues: re.Pattern[str], against: re.Pattern[str] | None) -> int:
    before = text[max(0, spot.start - 40) : spot.start]
    return bool(cues.search(before)) - 2 * bool(against and against.search(before))


def _first(text: str, *patterns: re.Pattern[str]) -> str | None:
    for pattern in patterns:
        match = pattern.search(text)
        if match:
            return match["v"].rstrip("-/")
    return None


def _kind(text: str) -> str:
    words = set(re.findall(r"[\w-]+", text.lower()))
    return max(_KINDS, key=lambda kind: len(words & set(_KINDS[kind].split())))


def _whole(amount: float) -> float | int:
    return int(amount) if amount.is_integer() else amount


def make(**options: Any) -> RuleExtractor:
    """Options: `cues` (default true), `text` (input field)."""
    return build(RuleExtractor, options)
