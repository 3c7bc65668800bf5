"""Tool calls by keywords: the tool whose name and description share most words with the text, filled by patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, as_json, failed, respond, text_of
from evalkit.baselines._slots import fill
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1

_LITTLE = """
    a an and are as at be between by can could do does for from get give how i if in into is it its me most much my of
    on one or our own please say set some somebody that the their them there they this to two up us was we what when
    where which who will with would you your
"""
_COMMON = frozenset(_LITTLE.split())


@dataclass(frozen=True)
class KeywordTools(Named):
    """Answers with JSON calls for the tools of `input.tools`, a question for what is missing, or words.

    A tool needs `least` shared words (names, descriptions and choices count). With `clauses`, a text whose clauses each
    make a complete call gives several calls. `text` is the input field.
    """

    text: str = "text"
    least: int = 1
    clauses: bool = True
    kind: ClassVar[str] = "keyword_tools"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if self.least < 1:
            raise ValueError(f"least={self.least} must be 1 or more")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer about the sample's text and tools; a sample without a text is a failure."""
        try:
            text = text_of(sample, self.text)
        except ValueError as error:
            return failed(str(error))
        tools = sample.input.get("tools") or ()
        return respond(text, lambda: self.reply(text, [tool for tool in tools if isinstance(tool, Mapping)]))

    def reply(self, text: str, tools: Sequence[Mapping[str, Any]]) -> str:
        """The calls as JSON, a question, or words."""
        tool = self._chosen(text, tools)
        if tool is None:
            return "None of my tools can help with that."
        if self.clauses:
            several = self._several(text, tools, tool)
            if several:
                return as_json(several)
        arguments, missing = fill(text, tool)
        if missing:
            return f"Which {missing[0].replace('_', ' ')} do you mean?"
        return as_json([{"name": tool["name"], "arguments": arguments}])

    def _chosen(self, text: str, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        said = stems(text)
        shared = [len(said & stems(_told(tool))) for tool in tools]
        best = max(shared, default=0)
        return tools[shared.index(best)] if best >= self.least else None

    def _several(
        self, text: str, tools: Sequence[Mapping[str, Any]], general: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """A call per clause when at least two clauses are complete, else nothing."""
        calls: list[dict[str, Any]] = []
        for clause in re.split(r",? and (?:also |then |another )?|; |, (?:then )?|: ", text):
            tool = self._chosen(clause, tools) or general
            arguments, missing = fill(f"so {clause}", tool)
            call = {"name": tool["name"], "arguments": arguments}
            if arguments and not missing and call not in calls:
                calls.append(call)
        return calls if len(calls) > 1 else []


def _told(tool: Mapping[str, Any]) -> str:
    schema = tool.get("parameters") or {}
    choices = [str(one) for inner in (schema.get("properties") or {}).values() for one in inner.get("enum") or ()]
    return " ".join([str(tool.get("name", "")).replace("_", " "), str(tool.get("description", "")), *choices])


def stems(text: str) -> set[str]:
    """The words of a text without common ones, endings cut off."""
    words = re.findall(r"[a-z]{2,}", text.lower())
    return {re.sub(r"(?:ing|ies|es|s|ed|y)\Z", "", word) for word in words if word not in _COMMON}


def make(**options: Any) -> KeywordTools:
    """Build from options; raises ValueError naming the known ones."""
    return build(KeywordTools, options)
