"""A project with one suite and one recorded candidate `m`, whose recording is exchanged between two runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

SIZE = 100


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass(frozen=True)
class World:
    """What stands in the project: the first `wrong` samples are answered wrongly, the next `errors` fail, the next
    `refused` are refused; `size` samples of which the first `rare` are tagged `kind:rare`, all others `kind:common`. The answer to sample 3 is `mark`3.
    """

    size: int = SIZE
    wrong: int = 0
    errors: int = 0
    refused: int = 0
    missing: int = 0
    rare: int = 10
    skip: int = 0
    shout: bool = False
    content: str = ""
    mark: str = "t"
    group: str | None = None
    seconds: float | None = None
    suite: Mapping[str, Any] = field(default_factory=dict)
    name: str = "s"
    project: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write samples, recording, suite and project file."""
        numbers = range(self.skip, self.size)
        (folder / "d.jsonl").write_text(lines([self._sample(n) for n in numbers]))
        (folder / "m.jsonl").write_text(lines([self._answer(n) for n in numbers[self.missing :]]))
        suite = {
            "name": self.name,
            "family": "generalist",
            "dataset": "d.jsonl",
            "scorers": ["exact_match"],
            "candidates": ["m"],
            "gates": [{"metric": "exact_match", "margin": 0.05}],
            **self.suite,
        }
        body = "".join(f"{key}: {json.dumps(value)}\n" for key, value in suite.items() if value is not None)
        (folder / "s.yaml").write_text(body)
        (folder / "evalkit.yaml").write_text(json.dumps({"candidates": {"m": "replay/m.jsonl"}, **self.project}))

    def _sample(self, n: int) -> dict[str, Any]:
        kind = "rare" if n < self.rare else "common"
        sample = {
            "id": f"s{n:03}",
            "input": {"text": f"{n}{self.content}"},
            "target": f"{self.mark}{n}",
            "tags": [f"kind:{kind}"],
        }
        return sample if self.group is None else {**sample, "group": self.group}

    def _answer(self, n: int) -> dict[str, Any]:
        place = n - self.skip
        right = f"{self.mark}{n}".upper() if self.shout else f"{self.mark}{n}"
        answer: dict[str, Any] = {"id": f"s{n:03}", "output": "no" if place < self.wrong else right}
        if self.wrong <= place < self.wrong + self.errors:
            answer = {"id": f"s{n:03}", "error": "the machine is down"}
        after = self.wrong + self.errors
        if after <= place < after + self.refused:
            answer = {"id": f"s{n:03}", "output": "", "finish": "refusal"}
        return answer if self.seconds is None else {**answer, "seconds": self.seconds + n / 1000}


@dataclass
class Shelf:
    """Projects that were run once and are copied for every test that begins with them."""

    folder: Path
    run: Callable[[Path, tuple[str, ...]], None]
    made: dict[Any, Path] = field(default_factory=dict)

    def copy(self, to: Path, *stages: tuple[World, tuple[str, ...]]) -> None:
        """Fill a folder with a project in which these worlds were written and these commands called, one by one."""
        key = repr(stages)
        if key not in self.made:
            place = Path(mkdtemp(dir=self.folder))
            if stages[:-1]:
                self.copy(place, *stages[:-1])
            world, command = stages[-1]
            world.write(place)
            self.run(place, command)
            self.made[key] = place
        shutil.copytree(self.made[key], to, dirs_exist_ok=True)
