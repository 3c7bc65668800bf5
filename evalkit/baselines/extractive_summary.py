"""A summary of the sentences whose words are most typical of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.baselines._answering import Named, Reader, sklearn
from evalkit.baselines._sentences import sentences
from evalkit.core.options import build

VERSION = 1
EXTRA = "tabular"
_MOST = 2_000


@dataclass(frozen=True)
class ExtractiveSummary(Reader, Named):
    """The `count` sentences nearest to the text's centroid in TF-IDF space, in their own order (Radev et al. 2004).

    Frequencies are those of the text's own sentences, so nothing is learnt. `text` is the input field. Of equally near
    sentences the first counts. Needs scikit-learn.
    """

    count: int = 1
    text: str = "text"
    kind: ClassVar[str] = "extractive_summary"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"count={self.count!r} must be a whole number of at least 1")
        sklearn("feature_extraction.text")

    def reply(self, text: str) -> str:
        """The chosen sentences. Raises ValueError for a text without words."""
        found = sentences(text)[:_MOST]
        if not found:
            raise ValueError("the text is empty, so it has no sentence to choose")
        return " ".join(found[place] for place in sorted(self._nearest(found)))

    def _nearest(self, found: list[str]) -> list[int]:
        vectorizer = sklearn("feature_extraction.text").TfidfVectorizer(token_pattern=r"(?u)\b\w+\b")  # noqa: S106 - a pattern
        try:
            matrix: Any = vectorizer.fit_transform(found)
        except ValueError:
            # Only signs, no words: every sentence is as good as the first.
            return list(range(min(self.count, len(found))))
        near = np.asarray(matrix @ np.asarray(matrix.mean(axis=0)).ravel())
        return [int(place) for place in np.argsort(-near, kind="stable")[: self.count]]


def make(**options: Any) -> ExtractiveSummary:
    """Options: `count`, `text` (input field)."""
    return build(ExtractiveSummary, options)
