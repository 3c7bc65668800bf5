"""From words with boxes, as OCR engines give them, to rows of cells, as people read a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

_GAP = 1.1
"""A gap of more than this many letter heights between two words starts a new cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and where it stands: left, top, right and bottom in pixels, y downwards."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def x(self) -> float:
        """Middle from left to right."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Middle from top to bottom."""
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    def joined(self, other: Cell) -> Cell:
        """This cell and one to its right as one."""
        return Cell(
            f"{self.text} {other.text}",
            self.left,
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page as rows of cells, top to bottom and left to right."""

    rows: tuple[tuple[Cell, ...], ...]

    @property
    def lines(self) -> list[str]:
        """Each row as text."""
        return [" ".join(cell.text for cell in row) for row in self.rows]

    @property
    def text(self) -> str:
        """The whole page as lines of text."""
        return "\n".join(self.lines)


def straightened(words: Iterable[Cell], slope: float) -> list[Cell]:
    """The words as on a page whose lines neither rise nor fall; `slope` = pixels down per pixel to the right."""
    moved = []
    for word in words:
        shift = slope * word.x
        moved.append(Cell(word.text, word.left, word.top - shift, word.right, word.bottom - shift))
    return moved


def sheet(words: Iterable[Cell], slope: float = 0.0) -> Sheet:
    """Rows of cells: words whose middles lie within half a letter height are one row, near ones one cell."""
    ordered = sorted((w for w in straightened(words, slope) if w.text.strip()), key=lambda w: (w.y, w.left))
    rows: list[list[Cell]] = []
    for word in ordered:
        if rows and abs(word.y - median(w.y for w in rows[-1])) < 0.5 * median(w.height for w in (*rows[-1], word)):
            rows[-1].append(word)
        else:
            rows.append([word])
    return Sheet(tuple(tuple(_cells(row)) for row in rows))


def _cells(row: Sequence[Cell]) -> list[Cell]:
    ordered = sorted(row, key=lambda w: w.left)
    height = median(w.height for w in ordered)
    cells = [ordered[0]]
    for word in ordered[1:]:
        if word.left - cells[-1].right < _GAP * height:
            cells[-1] = cells[-1].joined(word)
        else:
            cells.append(word)
    return cells
