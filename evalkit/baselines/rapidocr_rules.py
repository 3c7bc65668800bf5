"""Documents, charts and screens read by RapidOCR (PP-OCR in onnxruntime), with rules for fields and questions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from threading import Lock
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


@dataclass(frozen=True)
class RapidocrRules(Named):
    """Answers with the fields, the answer or the text of a page, from what RapidOCR reads and the same rules.

    `confidence` = texts below this probability are dropped, `image` = the input field. The networks are those inside
    the package: nothing is fetched. One thread.
    """

    confidence: float = 0.5
    image: str = "image"
    kind: ClassVar[str] = "rapidocr_rules"
    version: ClassVar[int] = VERSION

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Read the picture in a thread, then apply the rules; a picture that cannot be read is a failure."""
        started = perf_counter()
        try:
            picture = picture_of(sample, ctx, self.image)
        except ValueError as error:
            return failed(str(error), perf_counter() - started)
        page = await asyncio.to_thread(self.read, picture)
        usage = {"requests": 1.0, "images": 1.0}
        seconds = perf_counter() - started
        return Response(output=reply(page, sample.input), finish=Finish.STOP, usage=usage, seconds=seconds)

    def read(self, picture: Any) -> Sheet:
        """The page of a Pillow image."""
        import numpy as np

        engine, lock = _engine()
        with lock:
            # The networks are trained on pictures as OpenCV reads them: blue first.
            found = engine(np.asarray(picture)[:, :, ::-1].copy())
        if found.boxes is None or found.txts is None:
            return Sheet(())
        cells, slopes = [], []
        for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
            corners = [(float(x), float(y)) for x, y in box]
            wide, fall = corners[1][0] - corners[0][0], corners[1][1] - corners[0][1]
            if score < self.confidence:
                continue
            if wide > 0 and len(text) > 3:
                slopes.append(fall / wide)
            cells.append(_upright(text, corners))
        return sheet(cells, median(slopes) if slopes else 0.0)


def _upright(text: str, corners: list[tuple[float, float]]) -> Cell:
    """A cell as high as its letters: the box of a slanting line is higher."""
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    middle = sum(ys) / 4
    height = ((corners[3][1] - corners[0][1]) + (corners[2][1] - corners[1][1])) / 2 or max(ys) - min(ys)
    return Cell(text, min(xs), middle - abs(height) / 2, max(xs), middle + abs(height) / 2)


@cache
def _engine() -> tuple[Any, Lock]:
    """The loaded networks, one second and 150 MB, once per process, and the lock of their buffers."""
    folder = _models()
    options = {
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Global.log_level": "error",
        **{
            f"{part.capitalize()}.model_path": str(next(folder.glob(f"*_{part}_*.onnx")))
            for part in ("det", "rec", "cls")
        },
    }
    return import_module("rapidocr").RapidOCR(params=options), Lock()


def _models() -> Path:
    """The folder of the networks. Raises MissingComponent for a release without them: it would fetch them when used."""
    try:
        package = import_module("rapidocr")
        import_module("onnxruntime")
    except ImportError as error:
        raise MissingComponent("RapidOCR is not installed: pip install 'evalkit[ocr]'") from error
    folder = Path(str(package.__file__)).parent / "models"
    if not all(any(folder.glob(f"*_{part}_*.onnx")) for part in ("det", "rec", "cls")):
        raise MissingComponent("this release of rapidocr has no networks inside: pip install 'rapidocr>=3.10'")
    return folder


def make(**options: Any) -> RapidocrRules:
    """Options as the class has them. Raises MissingComponent without rapidocr, onnxruntime or Pillow."""
    need_pillow()
    _models()
    return build(RapidocrRules, options)
