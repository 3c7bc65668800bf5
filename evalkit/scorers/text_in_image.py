"""Whether a picture shows the text that was asked for, as optical character recognition reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from evalkit.core.errors import MissingComponent
from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Blobs, Metric, Sample, Score
from evalkit.scorers import _folds, _reading
from evalkit.scorers._answers import shown
from evalkit.scorers._drawn import Demand, asked, over_asked
from evalkit.scorers._targets import kind

EXTRA = "ocr"
PROGRAMS = ("tesseract",)
_RATE = partial(_folds.ratio, numerator="errors", denominator="characters")
_METRICS = (
    Metric(
        "text_cer",
        "ratio",
        higher_is_better=False,
        bounds=(0.0, None),
        fold=Fold(across=Sums(_RATE, ("errors", "characters"))),
        on_error=1.0,
        primary=True,
    ),
    over_asked("text_exact", bounds=(0.0, 1.0)),
)


@dataclass(frozen=True, slots=True)
class TextInImage(Demand):
    """Character error rate of the text that tesseract reads in the picture, against `target.text`.

    `text_cer` is the edit distance (rapidfuzz) over the length of the wanted text, added up over the set before
    dividing; it may exceed 1. `text_exact` is the share that is read without an error. White space is collapsed on both
    sides; `ignore_case` folds case. `mode` is tesseract's page segmentation mode (6 = one block, 11 = scattered text).
    A letter that a person reads and tesseract does not is an error: the number is of the picture and the reader
    together, so the program's version is part of the scorer's version, and stands in the reason.
    """

    ignore_case: bool = True
    mode: int = 11
    field: ClassVar[str] = "text"
    libraries: ClassVar[tuple[str, ...]] = ("pillow", "rapidfuzz")

    def __post_init__(self) -> None:
        if type(self.mode) is not int or not 0 <= self.mode <= 13:
            raise ValueError(f"mode={self.mode!r} must be a page segmentation mode of tesseract, 0 to 13")

    @property
    def version(self) -> int:  # type: ignore[override]
        """1,000,000 for this scorer's first version plus the reader's: tesseract 5.3.0 is 050300."""
        major, minor, patch = (*_reading.version(), 0, 0)[:3]
        return 1_000_000 + major * 10_000 + minor * 100 + patch

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`text_cer`, lower is better, and `text_exact`."""
        return _METRICS

    def wanted(self, sample: Sample) -> str:
        """The text; raises ValueError for none."""
        value = sample.target[self.field]
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"text is {kind(value)}; the text that the picture must show is needed")
        return value

    def compare(self, wanted: str, data: bytes, blobs: Blobs) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read and count."""
        read = _reading.read(data, self.mode)
        errors, characters = edits(wanted, read, ignore_case=self.ignore_case)
        parts = {"errors": float(errors), "characters": float(characters)}
        reason = f"{_reading.label()} reads {read[:80]!r}" if errors else None
        return {
            "text_cer": Score(errors / characters, parts, answer=shown(read), reason=reason),
            "text_exact": asked(float(not errors), answer=shown(read)),
        }

    def _worst_parts(self, metric: Metric, sample: Sample, wants: float) -> Mapping[str, float]:
        if metric.name == "text_exact":
            return {"sum": 0.0, "asked": wants}
        known = self.asks(sample) and self.problem(sample) is None
        length = float(len(" ".join(self.wanted(sample).split()))) if known else wants
        return {"errors": length, "characters": length}

    def _nothing(self) -> Score:
        none = {"errors": 0.0, "characters": 0.0, "sum": 0.0, "asked": 0.0}
        return Score(None, none, reason="the prompt asks for no text")


def edits(wanted: str, read: str, *, ignore_case: bool) -> tuple[int, int]:
    """Edit distance of the read from the wanted text, and the wanted text's length."""
    from rapidfuzz.distance import Levenshtein

    one, other = (" ".join(text.split()) for text in (wanted, read))
    if ignore_case:
        one, other = one.casefold(), other.casefold()
    return Levenshtein.distance(one, other), len(one)


def need_reader() -> None:
    """Raises MissingComponent where tesseract or a package is not installed."""
    _reading.program()
    try:
        import rapidfuzz  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingComponent("comparing texts needs rapidfuzz: pip install 'evalkit[ocr]'") from None


def make(**options: Any) -> TextInImage:
    """Build from options; raises ValueError naming the known ones, MissingComponent without tesseract."""
    need_reader()
    return build(TextInImage, options)
