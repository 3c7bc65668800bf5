"""What a system that cites says: an answer, that there is none, or nothing that can be read; and what its target is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from evalkit.core.types import Response, Sample
from evalkit.scorers._answers import answer_json, answer_text, cut_off, failure
from evalkit.scorers._normalise import squad as normalise
from evalkit.scorers._targets import kind

PHRASES = (
    "not in the documents",
    "not in the passages",
    "not answerable",
    "unanswerable",
    "no answer",
    "not found in the documents",
    "the documents do not say",
    "the passages do not say",
)
"""How an absent answer may be worded; each must be the whole answer, articles, case and punctuation aside."""


class Said(NamedTuple):
    """An answer (None: it was said that there is none) and the ids that it cites, each once."""

    answer: str | None
    citations: tuple[str, ...]


class Wanted(NamedTuple):
    """Accepted answers (none: the documents hold no answer) and the ids of the passages that give them."""

    answers: tuple[str, ...]
    passages: tuple[str, ...]


def said(response: Response, phrases: tuple[str, ...] = PHRASES) -> Said | str:
    """What a response says, or why it cannot be read.

    Read are `{"answer": text or null, "citations": [ids]}`, as a value, as JSON text or fenced, and prose, which is an
    answer without citations. An absent answer must be stated: by null, or by one of the phrases.
    """
    reason = failure(response)
    if reason is not None:
        return reason
    value, reason = answer_json(response)
    if isinstance(value, Mapping):
        return _fields(value, phrases)
    if not isinstance(response.output, str):
        return f"the answer is {kind(response.output)}; an object with `answer` is needed"
    return _prose(response, reason or kind(value), phrases)


def _prose(response: Response, no_object: str, phrases: tuple[str, ...]) -> Said | str:
    text, lost = answer_text(response)
    if text is None:
        return str(lost)
    if not text.strip():
        return cut_off("an empty answer, which does not say that there is none", response)
    if text.lstrip()[0] in "{[":
        return cut_off(f"no object with `answer`: {no_object}", response)
    return Said(_stated(text, phrases), ())


def _fields(value: Mapping[str, Any], phrases: tuple[str, ...]) -> Said | str:
    if "answer" not in value:
        there = ", ".join(map(str, value)) or "nothing"
        return f"the object has no `answer`; it has {there[:120]}"
    answer, cited = value["answer"], value.get("citations")
    if isinstance(answer, (int, float)) and not isinstance(answer, bool):
        answer = repr(answer)
    if answer is not None and not isinstance(answer, str):
        return f"`answer` is {kind(answer)}; text or null is needed"
    if answer is not None and not answer.strip():
        return "`answer` is empty text, which does not say that there is none; null does"
    ids = () if cited is None else cited
    if not isinstance(ids, (list, tuple)) or not all(isinstance(one, (str, int)) for one in ids):
        return f"`citations` is {kind(cited)}; a list of passage ids is needed"
    return Said(None if answer is None else _stated(answer, phrases), tuple(dict.fromkeys(map(str, ids))))


def _stated(text: str, phrases: tuple[str, ...]) -> str | None:
    return None if normalise(text) in map(normalise, phrases) else text.strip()


def wanted(sample: Sample) -> Wanted:
    """The target: `{"answer": text, list of texts or null, "passages": [ids]}`. Raises ValueError for another one."""
    target = sample.target
    if not isinstance(target, Mapping) or "answer" not in target:
        raise ValueError(f"the target is {kind(target)}; an object with `answer` (text or null) is needed")
    answer, passages = target["answer"], target.get("passages") or ()
    answers = () if answer is None else (answer,) if isinstance(answer, str) else answer
    if not isinstance(answers, (list, tuple)) or not all(isinstance(one, str) for one in answers):
        raise ValueError(f"`answer` of the target is {kind(answer)}; text, a list of texts or null is needed")
    empty = next((one for one in answers if not normalise(one)), None)
    if empty is not None:
        raise ValueError(f"`answer` {empty[:40]!r} of the target has no word beside articles and punctuation")
    if not isinstance(passages, (list, tuple, Mapping)) or not all(isinstance(one, str) for one in passages):
        raise ValueError(f"`passages` of the target is {kind(target.get('passages'))}; a list of ids is needed")
    if isinstance(passages, Mapping):
        passages = [ident for ident, grade in passages.items() if grade]
    return Wanted(tuple(answers), tuple(dict.fromkeys(passages)))
