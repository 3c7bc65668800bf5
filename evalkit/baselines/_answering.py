"""What all baselines share: reading a sample, measuring an answer, naming themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import Field, fields
from functools import cache
from importlib import import_module
from time import perf_counter
from types import ModuleType
from typing import Any, ClassVar

from evalkit.core.errors import ErrorKind, Finish, MissingComponent
from evalkit.core.keys import digest
from evalkit.core.types import Context, Failure, Given, Response, Sample

UNFITTED = "has learnt nothing: give the suite a `dataset.split`, so that there is something to learn from"

LATER = "later"
"""Key of an option's `metadata`: it came after the baseline's first version, and its default changes no answer."""


class Named:
    """Base of baselines; a subclass is a frozen dataclass whose fields are its options, with `kind` and `version`."""

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 0

    @property
    def name(self) -> str:
        """The part's name."""
        return self.kind

    @property
    def fingerprint(self) -> str:
        """Hash of name, version and options; where something was learnt, also of what and with which seed."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.init and not self._unchanged(f)}  # type: ignore[arg-type]
        return digest([self.kind, self.version, options])

    def _unchanged(self, option: Field[Any]) -> bool:
        # An option that came later must not make answers new that it does not touch.
        return LATER in option.metadata and bool(getattr(self, option.name) == option.default)


class Learner(Named):
    """Base of baselines that must learn before they can answer."""

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A failure: nothing has been learnt."""
        return failed(f"{self.name} {UNFITTED}")


class Reader:
    """Base of what answers about one text: `text` is the input field it reads."""

    text: str

    def reply(self, text: str) -> str:
        """The answer about a text, as text or JSON text."""
        raise NotImplementedError

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer about the sample's text; a sample without one is a failure."""
        try:
            text = text_of(sample, self.text)
        except ValueError as error:
            return failed(str(error))
        return respond(text, lambda: self.reply(text))


def fitted_fingerprint(base: str, given: Given, seed: int) -> str:
    """The fingerprint of a baseline that has learnt: what it was before, what from, and with which seed."""
    return digest([base, given.id, seed])


def respond(used: str, compute: Callable[[], Any]) -> Response:
    """Answer with what `compute` returns; its ValueError is the candidate's failure.

    `used` is the input that is read; its length is the usage, `seconds` the time that computing takes.
    """
    started = perf_counter()
    try:
        output = compute()
    except ValueError as error:
        return failed(str(error), perf_counter() - started)
    usage = {"requests": 1.0, "characters": float(len(used))}
    return Response(output=output, finish=Finish.STOP, usage=usage, seconds=perf_counter() - started)


def failed(message: str, seconds: float | None = None) -> Response:
    """An answer that could not be given, as data."""
    return Response(error=Failure(ErrorKind.CANDIDATE, message), usage={"requests": 1.0}, seconds=seconds)


def text_of(sample: Sample, field: str = "text") -> str:
    """The text of a sample. Raises ValueError naming sample, field and what is there instead."""
    value = sample.input.get(field)
    if isinstance(value, str):
        return value
    there = ", ".join(sorted(sample.input)) or "nothing"
    raise ValueError(f"sample {sample.id!r} has no text in input field {field!r} (its input has: {there})")


def row_of(sample: Sample) -> Mapping[str, Any]:
    """The row of a sample. Raises ValueError naming the sample and what is there instead."""
    row = sample.input.get("row")
    if isinstance(row, Mapping):
        return row
    there = ", ".join(sorted(sample.input)) or "nothing"
    raise ValueError(f"sample {sample.id!r} has no `row` of columns in its input (its input has: {there})")


def as_json(value: Any) -> str:
    """A value as the JSON text that a baseline answers with; keys stay in their order."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def sklearn(module: str) -> ModuleType:
    """A module of scikit-learn. Raises MissingComponent that names the extra."""
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        message = "this baseline needs scikit-learn: pip install 'evalkit[tabular]'"
        raise MissingComponent(message) from error


def worded(value: Any) -> str:
    """An answer as text: a text label as it is, everything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def one_thread() -> AbstractContextManager[Any]:
    """While open, scikit-learn and the linear algebra below it use one thread.

    A row is answered faster without waking threads, worker processes share the machine already, and sums do not depend
    on how many processors there are.
    """
    limited: AbstractContextManager[Any] = _pools().limit(limits=1)
    return limited


@cache
def _pools() -> Any:
    # Finding the loaded libraries takes milliseconds; they are all loaded once a model is there.
    sklearn("ensemble")
    return import_module("threadpoolctl").ThreadpoolController()
