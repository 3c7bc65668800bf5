"""Documents, charts and screens read by tesseract, with rules for fields and questions."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections import defaultdict
from dataclasses import dataclass
from io import BytesIO
from statistics import median
from time import perf_counter
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, failed
from evalkit.baselines._layout import Cell, Sheet, sheet
from evalkit.baselines._pictures import need_pillow, picture_of
from evalkit.baselines._reading import reply
from evalkit.core.errors import Finish, MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1
EXTRA = "ocr"
PROGRAMS = ("tesseract",)
_WORD_LEVEL = "5"


@dataclass(frozen=True)
class TesseractRules(Named):
    """Answers with the fields, the answer or the text of a page, from what tesseract reads and rules.

    Pictures are enlarged `scale` times first, since tesseract is made for 300 dots per inch. `lang` = its languages
    ("eng+deu"), `psm` = its page segmentation mode, `confidence` = words below this percentage are dropped, `timeout`
    = seconds per picture, `image` = the input field. One thread.
    """

    scale: float = 2.0
    lang: str = "eng"
    psm: int = 11
    confidence: float = 20.0
    timeout: float = 60.0
    image: str = "image"
    kind: ClassVar[str] = "tesseract_rules"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 8 or not self.timeout > 0:
            raise ValueError(f"scale={self.scale} must be above 0 and at most 8, timeout={self.timeout} above 0")

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Read the picture, then apply the rules; a picture that cannot be read is a failure."""
        started = perf_counter()
        try:
            page = await self.read(picture_of(sample, ctx, self.image))
        except ValueError as error:
            return failed(str(error), perf_counter() - started)
        usage = {"requests": 1.0, "images": 1.0}
        output = reply(page, sample.input)
        return Response(output=output, finish=Finish.STOP, usage=usage, seconds=perf_counter() - started)

    async def read(self, picture: Any) -> Sheet:
        """The page of a Pillow image. Raises ValueError when tesseract fails or takes too long."""
        stream = BytesIO()
        size = (max(1, round(picture.width * self.scale)), max(1, round(picture.height * self.scale)))
        picture.resize(size).save(stream, "PPM")
        return sheet(*_words(await self._run(stream.getvalue()), self.confidence))

    async def _run(self, data: bytes) -> str:
        # Threads of one picture only wait for each other, and for those of other programs.
        command = ["env", "OMP_THREAD_LIMIT=1", need_tesseract(), "stdin", "stdout", "-l", self.lang]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, "--psm", str(self.psm), "tsv", stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(self.timeout):
                out, said = await process.communicate(data)
        except TimeoutError:
            raise ValueError(f"tesseract did not finish within {self.timeout:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            told = said.decode("utf-8", "replace").strip()[-300:]
            raise ValueError(f"tesseract ended with code {process.returncode}: {told}")
        return out.decode("utf-8", "replace")


def _words(table: str, confidence: float) -> tuple[list[Cell], float]:
    """The words with their boxes, and by how much the lines fall to the right (median over lines of three words)."""
    lines: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = (row["text"] or "").strip()
        if row["level"] == _WORD_LEVEL and text and float(row["conf"]) >= confidence:
            left, top, width, height = (float(row[key]) for key in ("left", "top", "width", "height"))
            line = tuple(row[key] for key in ("block_num", "par_num", "line_num"))
            lines[line].append(Cell(text, left, top, left + width, top + height))
    slopes = [
        (line[-1].bottom - line[0].bottom) / (line[-1].x - line[0].x)
        for line in lines.values()
        if len(line) > 2 and line[-1].x > line[0].x
    ]
    return [word for line in lines.values() for word in line], median(slopes) if slopes else 0.0


def need_tesseract() -> str:
    """Where the program is. Raises MissingComponent that says how to install it."""
    program = shutil.which("tesseract")
    if program is None:
        raise MissingComponent("the program tesseract is not installed (Debian: apt-get install tesseract-ocr)")
    return program


def make(**options: Any) -> TesseractRules:
    """Options as the class has them. Raises MissingComponent without Pillow or the program tesseract."""
    need_pillow()
    need_tesseract()
    return build(TesseractRules, options)
