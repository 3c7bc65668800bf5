"""What can be seen of a sample without reading its tags: length, code, digits, questions, media, tools, language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalkit.core.types import Sample
from evalkit.systems._handing import words_of

_CODE = re.compile(
    r"```|^\s*(?:def|class|import|from|return|for|while|if)\b.*[:;{]?$|[\w)\]]\s*(?:==|!=|\+=|->|=>|::)\s*[\w(\[]|\w\(\)",
    re.MULTILINE,
)
_DIGITS = re.compile(r"\d")
_URL = re.compile(r"https?://\S+")
_WORD = re.compile(r"[^\W\d_]+")
# The commonest words of each language that are rare in the others.
_COMMON = {
    "en": "the and is of to you that with for are was this have your what how not which",
    "de": "der die das und ist nicht ein eine ich mit auf für wir sie zu den bitte wie",
    "fr": "le la les des est une je vous pour pas que dans nous avec sur votre mon qui",
    "es": "el los las es una que para con por pero mi su como está del y muy sin",
    "it": "il che di una per non sono con della gli mi è del come più questo nel alla",
    "nl": "het een van ik niet dat voor met zijn mijn maar op aan kan heb naar is dit",
    "sv": "och att det är jag inte på som för med har en till vi min ett om av",
    "pt": "o não uma que para com os as meu minha você mais por foi está são dos em",
    "pl": "nie jest się na do że jak ale to dla z mnie czy po proszę mój tak od",
}
_STOPS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SCRIPTS = (
    ("ru", "\u0400", "\u04ff"), ("el", "\u0370", "\u03ff"), ("ar", "\u0600", "\u06ff"), ("he", "\u0590", "\u05ff"),
    ("hi", "\u0900", "\u097f"), ("ja", "\u3040", "\u30ff"), ("ko", "\uac00", "\ud7af"), ("zh", "\u4e00", "\u9fff"),
)  # fmt: skip
LANGUAGES = (*_COMMON, *(language for language, _, _ in _SCRIPTS))
MEDIA = ("image", "audio", "video", "file")


def language(text: str) -> str | None:
    """The language of a text by its script, else by its commonest words; None when neither tells.

    A rough guess among `LANGUAGES` (two-letter codes), for routing: short texts and names are often undecided.
    """
    letters = [letter for letter in text if letter.isalpha()]
    for code, first, last in _SCRIPTS:
        if letters and sum(first <= letter <= last for letter in letters) > len(letters) / 3:
            return code
    words = [word.lower() for word in _WORD.findall(text)]
    counts = {code: sum(word in stops for word in words) for code, stops in _STOPS.items()}
    best = max(counts, key=lambda code: counts[code])
    tied = sum(count == counts[best] for count in counts.values()) > 1
    return None if counts[best] == 0 or tied else best


def media(sample: Sample) -> frozenset[str]:
    """The kinds of media that a sample's input holds: image, audio, video, file."""
    found: set[str] = set()
    _collect(sample.input, found)
    return frozenset(found)


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, Mapping):
        if "$blob" in value:
            kind = str(value.get("type", "")).partition("/")[0]
            found.add(kind if kind in MEDIA else "file")
            return
        for inner in value.values():
            _collect(inner, found)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _collect(inner, found)


TRAITS: Mapping[str, Callable[[Sample], bool]] = {
    "code": lambda sample: bool(_CODE.search(words_of(sample))),
    "digits": lambda sample: bool(_DIGITS.search(words_of(sample))),
    "question": lambda sample: words_of(sample).rstrip().endswith("?"),
    "url": lambda sample: bool(_URL.search(words_of(sample))),
    "tools": lambda sample: bool(sample.input.get("tools")),
    "media": lambda sample: bool(media(sample)),
}
_CONDITIONS = ("regex", "words", "min_length", "max_length", "has", "language", "not")


def _texts(place: str, value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, Sequence) or not found or not all(isinstance(one, str) and one for one in found):
        raise ValueError(f"{place} must be text or a list of texts")
    return tuple(found)


def _among(place: str, value: Any, known: Sequence[str]) -> tuple[str, ...]:
    found = _texts(place, value)
    for one in found:
        if one not in known:
            raise ValueError(f"{place}: {one!r} is unknown; known: {', '.join(known)}")
    return found


def _expression(place: str, pattern: Any) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise ValueError(f"{place} must be a regular expression")  # noqa: TRY004 - a wrong option is a ValueError
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{place}: {pattern!r} is no regular expression: {error}") from error


def _length(place: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{place} must be a number of characters")
    return value


Test = Callable[[Sample], bool]


def condition(place: str, when: Any) -> Test:
    """A rule's `when` as a test of a sample; all that it names must hold.

    Text = a regular expression anywhere in the words, in any case. Else a mapping: `regex`; `words` (any of them, whole
    words, in any case); `min_length` and `max_length` in characters; `has` (all of: code, digits, question, url, tools,
    media); `language` (any of); `not` (a `when` that must not hold). Raises ValueError that names the place.
    """
    if isinstance(when, str):
        when = {"regex": when}
    if not isinstance(when, Mapping) or not when:
        raise ValueError(f"{place} must be a regular expression or conditions ({', '.join(_CONDITIONS)})")
    tests = [_one(f"{place}.{name}", name, value) for name, value in when.items()]
    return lambda sample: all(test(sample) for test in tests)


def _one(place: str, name: str, value: Any) -> Test:
    makers: Mapping[str, Callable[[str, Any], Test]] = {
        "regex": _regex,
        "words": _words,
        "min_length": _min_length,
        "max_length": _max_length,
        "has": _has,
        "language": _language,
        "not": _not,
    }
    if name not in makers:
        raise ValueError(f"{place}: unknown condition; known: {', '.join(_CONDITIONS)}")
    return makers[name](place, value)


def _regex(place: str, value: Any) -> Test:
    pattern = _expression(place, value)
    return lambda sample: bool(pattern.search(words_of(sample)))


def _words(place: str, value: Any) -> Test:
    joined = "|".join(re.escape(word) for word in _texts(place, value))
    pattern = re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)
    return lambda sample: bool(pattern.search(words_of(sample)))


def _min_length(place: str, value: Any) -> Test:
    least = _length(place, value)
    return lambda sample: len(words_of(sample)) >= least


def _max_length(place: str, value: Any) -> Test:
    most = _length(place, value)
    return lambda sample: len(words_of(sample)) <= most


def _has(place: str, value: Any) -> Test:
    wanted = _among(place, value, tuple(TRAITS))
    return lambda sample: all(TRAITS[trait](sample) for trait in wanted)


def _language(place: str, value: Any) -> Test:
    wanted = _among(place, value, LANGUAGES)
    return lambda sample: language(words_of(sample)) in wanted


def _not(place: str, value: Any) -> Test:
    inner = condition(place, value)
    return lambda sample: not inner(sample)
