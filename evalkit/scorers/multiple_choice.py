"""Multiple choice by letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._base import TextScorer, trouble, unscorable
from evalkit.scorers._normalise import casefold
from evalkit.scorers._targets import kind

_METRICS = (Metric("multiple_choice", kind="mean01", bounds=(0.0, 1.0), primary=True),)
_MARKER = re.compile(r"\banswer\b(?: is\b)?[\s:=*_]{0,20}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MultipleChoice(TextScorer):
    """1 when the chosen letter is the target's, else 0.

    The choices are `sample.input["choices"]` (a list, or letter -> text); without them `letters` are allowed. The
    letter is the last of "answer: X", else of \\boxed{X}, else a whole answer or the only line start "X.", else the
    last "(X)" or "option X", else the text of one choice, else the only bare letter. The target is a letter, a place in
    the list (from 0) or the text of a choice. An answer that chooses nothing is not scorable.
    """

    letters: str = "ABCD"

    def __post_init__(self) -> None:
        if not self.letters or not set(self.letters) <= set(ascii_uppercase):
            raise ValueError(f"letters={self.letters!r} must be capital letters, as in 'ABCD'")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`multiple_choice`, a rate."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Compare the chosen letter with the target's."""
        choices = self._choices(sample)
        gold = _gold(sample, choices)
        letter = chosen(text, choices)
        if letter is None:
            return unscorable(_METRICS, f"no choice of {', '.join(choices)} in the answer")
        return {"multiple_choice": Score(float(letter == gold), answer=letter)}

    def problem(self, sample: Sample) -> str | None:
        """Choices that are no list, or a target that is none of them."""
        return trouble(lambda each: _gold(each, self._choices(each)), sample)

    def _choices(self, sample: Sample) -> dict[str, str]:
        given = sample.input.get("choices")
        if given is None:
            return dict.fromkeys(self.letters, "")
        if isinstance(given, Mapping):
            named = {str(letter).upper(): casefold(str(text)) for letter, text in given.items()}
            if not set(named) <= set(ascii_uppercase):
                raise ValueError(f"the choices are named {', '.join(named)}; letters are needed")
            return named
        if not isinstance(given, (list, tuple)) or not 0 < len(given) <= len(ascii_uppercase):
            raise ValueError(f"input.choices is {kind(given)}; a list of 1 to 26 choices is needed")
        return {letter: casefold(str(text)) for letter, text in zip(ascii_uppercase, given, strict=False)}


def _gold(sample: Sample, choices: Mapping[str, str]) -> str:
    target = sample.target
    letters = list(choices)
    if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(letters):
        return letters[target]
    if isinstance(target, str):
        if target.strip().upper() in choices:
            return target.strip().upper()
        found = [letter for letter, text in choices.items() if text and text == casefold(target)]
        if len(found) == 1:
            return found[0]
    raise ValueError(
        f"the target {target!r} is no choice; a letter of {', '.join(letters)}, a place or its text is needed"
    )


@lru_cache(maxsize=256)
def _patterns(letters: str) -> tuple[re.Pattern[str], ...]:
    one = f"[{letters}]"
    # Bounded repeats: a megabyte of blanks after a marker must not cost quadratic time.
    after = rf"[\s:=*_(\[{{`'\"$\\]{{0,20}}(?:(?:option|choice|text|boxed)\b[\s({{*_`'\"]{{0,9}})?({one})(?![\w'])"
    return (
        re.compile(rf"\b(?i:answer)\b(?: (?i:is)\b)?{after}"),
        re.compile(rf"\\boxed\{{\s*(?:\\text\{{)?\(?({one})\)?\}}"),
        re.compile(rf"\A\W*({one}|{one.lower()})\W*\Z"),
        re.compile(rf"^[ \t*_(\[]{{0,9}}({one})[).:\]][\s*_]", re.MULTILINE),
        re.compile(rf"\(({one})\)|\b(?i:option|choice) ({one})(?![\w'])"),
        re.compile(rf"(?<![\w'])({one})(?![\w'])"),
    )


def chosen(text: str, choices: Mapping[str, str]) -> str | None:
    """The letter that an answer chooses among `choices` (letter -> case-folded text), or None."""
    marked, boxed, alone, line, named, bare = _patterns("".join(choices))
    for pattern in (marked, boxed):
        found = pattern.findall(text)
        if found:
            return str(found[-1])
    whole = alone.match(text)
    if whole:
        return whole[1].upper()
    starts = set(line.findall(text))
    if len(starts) == 1:
        return str(starts.pop())
    mentions = ["".join(pair) for pair in named.findall(text)]
    if mentions:
        return mentions[-1]
    # Several line starts are the options said again: a letter among them is no choice.
    return _by_text(text, choices) or (None if starts else _only(bare, text))


def _by_text(text: str, choices: Mapping[str, str]) -> str | None:
    marks = list(_MARKER.finditer(text))
    said = casefold(text[marks[-1].end() :] if marks else text).strip(" .*_\"'`")
    found = [letter for letter, choice in choices.items() if choice and choice.strip(" .") == said]
    return found[0] if len(found) == 1 else None


def _only(bare: re.Pattern[str], text: str) -> str | None:
    # "A" and "I" are also words: they count only where the text ends.
    end = len(text.rstrip(" .*_)\n"))
    found = {m[1] for m in bare.finditer(text) if m[1] not in "AI" or m.end() >= end}
    return found.pop() if len(found) == 1 else None


def make(**options: Any) -> MultipleChoice:
    """Build from options; raises ValueError naming the known ones."""
    return build(MultipleChoice, options)
