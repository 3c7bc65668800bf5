"""The reference solution of each problem: shows that the tests can be passed here; an oracle, not a contestant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, failed, respond
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1


@dataclass(frozen=True)
class CodeReference(Named):
    """Answers with the target's `reference`: an oracle that must reach 100 %, or suite, sandbox or machine is broken.

    It is the one candidate that reads the target, so its place in a ranking means nothing.
    """

    kind: ClassVar[str] = "code_reference"
    version: ClassVar[int] = VERSION

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """Answer with the fenced reference; a target without one is a failure."""
        target = sample.target
        reference = target.get("reference") if isinstance(target, Mapping) else None
        if not isinstance(reference, str):
            return failed(f"sample {sample.id!r} has no `reference` in its target: this oracle has nothing to answer")
        return respond("", lambda: f"```python\n{reference.rstrip()}\n```")


def make(**options: Any) -> CodeReference:
    """It takes no options."""
    return build(CodeReference, options)
