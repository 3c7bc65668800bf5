"""What is wrong with a suite once its data are read: targets that cannot be scored, prompts that cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.app.loading import LoadedSuite
from evalkit.app.places import placed
from evalkit.config.suite import shown
from evalkit.core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from evalkit.prompts.render import Renderer
    from evalkit.prompts.task import TaskPrompt

MOST_PROBLEMS = 20


def wrong_targets(suite: LoadedSuite) -> list[Problem]:
    """Samples that a scorer cannot score; the first twenty, and how many more there are."""
    checks = [one.scorer.problem for one in suite.prepared if hasattr(one.scorer, "problem")]
    found: list[Problem] = []
    more = 0
    for index in suite.indices:
        sample = suite.snapshot.sample(int(index))
        wrong = next((text for check in checks if (text := check(sample))), None)
        if wrong is None:
            continue
        if len(found) >= MOST_PROBLEMS:
            more += 1
            continue
        name, line = suite.snapshot.where(int(index))
        found.append(placed(Problem(f"sample {sample.id!r}: {wrong}", name, line), suite.file))
    return (
        [*found, Problem(f"and {more:,} more samples with a wrong target", shown(suite.file.path))] if more else found
    )


def bad_prompts(suite: LoadedSuite, renderer: Renderer) -> list[Problem]:
    """What is wrong with the prompts that a suite writes, whoever is asked: they are tried on the first samples."""
    found: list[Problem] = []
    for name in suite.file.prompts or (None,):
        if not suite.file.asking(name):
            continue
        try:
            prompt = suite.prompt(name, renderer)
        except ConfigError as error:
            found += error.problems
            continue
        wrong = _untold(suite, prompt)
        if wrong is not None:
            found.append(suite.in_prompt(Problem(wrong), name))
    return found


def _untold(suite: LoadedSuite, prompt: TaskPrompt) -> str | None:
    """Why no messages can be made of one of the first samples, or None."""
    needed = prompt.fields()
    for place, index in enumerate(suite.indices[:50]):
        sample = suite.snapshot.sample(int(index))
        lacking = sorted(needed - set(sample.input))
        if lacking:
            had = ", ".join(sorted(sample.input))
            return f"the prompt uses {lacking[0]!r}, which sample {sample.id!r} does not have; it has: {had}"
        try:
            if place == 0:
                prompt.messages(sample)
        except ValueError as error:
            return f"the prompt cannot be made: {error}"
    return None
