from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from evalkit import registry
from evalkit.core.errors import ErrorKind
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Sample, Tools
from evalkit.providers import http

MASK = np.zeros((20, 30), np.uint8)
MASK[4:12, 8:21] = 1
RUNS = {"size": [20, 30], "counts": [164, *[8, 12] * 12, 8, 600 - 164 - 8 * 13 - 12 * 12]}


def png(array):
    stream = BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        self.data[digest_bytes(data)] = data
        return {"$blob": digest_bytes(data), "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


@asynccontextmanager
async def mask_service(answer):
    """Takes {"image": base64 of a PNG} with a key and answers; anything else is refused."""

    async def handle(request):
        if request.headers.get("x-key") != "sesame":
            return web.json_response({"error": {"message": "who are you"}}, status=401)
        body = await request.json()
        assert set(body) == {"image"}
        assert request.content_type == "application/json"
        size = Image.open(BytesIO(base64.b64decode(body["image"], validate=True))).size
        assert size == (30, 20)
        return answer()

    app = web.Application()
    app.router.add_post("/segment", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/segment"
    finally:
        await runner.cleanup()


def asked(answer, key="sesame", **options):
    """The response to a picture, and the scores of the mask in it."""
    blobs = Files()
    tools = Tools(".", blobs, lambda template, _: template, {"MASK_KEY": key}.get)
    image = blobs.put(png(np.stack([MASK * 200] * 3, -1)), "image/png")
    sample = Sample("s", {"image": image}, {"mask": RUNS, "objects": 1})
    context = SimpleNamespace(blobs=blobs, seed=0, repeat=0)

    async def asking():
        async with mask_service(answer) as url:
            body = {"image": {"$base64": "image"}}
            candidate = http.make(tools, "masks", url=url, headers={"x-key": "${MASK_KEY}"}, body=body, **options)
            try:
                response = await candidate.answer(sample, context)
            finally:
                await candidate.close()
            scorer = registry.make("scorers", "segmentation(picture=False)")
            return response, await scorer.score(sample, [response], context)

    response, scores = asyncio.run(asking())
    return response, scores["iou"], blobs


def test_a_service_that_answers_run_lengths():
    response, iou, _ = asked(lambda: web.json_response({"result": {"masks": [RUNS]}}), output="result")
    assert response.output == {"masks": [RUNS]}
    assert iou.value == 1.0


def test_a_service_that_answers_a_png():
    said = png(MASK)
    response, iou, blobs = asked(lambda: web.Response(body=said, content_type="image/png"), returns="file")
    assert response.output == {"$blob": digest_bytes(said), "type": "image/png"}
    assert blobs.get(response.output) == said
    assert response.usage == {"requests": 1}
    assert iou.value == 1.0


@pytest.mark.parametrize("head", ["", "data:image/png;base64,", "data:;base64,"])
def test_a_service_that_answers_base64(head):
    coded = head + base64.b64encode(png(MASK)).decode()
    response, iou, _ = asked(
        lambda: web.json_response({"masks": [{"png": coded}], "took": 2}),
        returns="file",
        output="masks[0].png",
        usage={"images": "took"},
    )
    assert response.output["type"] == "image/png"
    assert response.usage == {"requests": 1, "images": 2}
    assert iou.value == 1.0


def test_a_file_that_is_no_picture_keeps_its_type():
    response, iou, blobs = asked(lambda: web.Response(body=b"RIFFsound", content_type="audio/wav"), returns="file")
    assert response.output["type"] == "audio/wav"
    assert blobs.get(response.output) == b"RIFFsound"
    assert iou.value is None
    assert "no PNG, JPEG, GIF or WebP" in iou.reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: web.Response(body=b"", content_type="image/png"), "the file is empty"),
        (lambda: web.json_response({"mask": "no base64!"}), "is not base64"),
        (lambda: web.json_response({"mask": {"size": [1, 1]}}), "a file as base64 text is needed, not dict"),
        (lambda: web.json_response({"other": 1}), "has no 'mask'"),
        (lambda: web.Response(body=b"{cut", content_type="application/json"), "has no 'mask'"),
    ],
)
def test_a_reply_without_the_file_is_malformed(answer, words):
    response, iou, _ = asked(answer, returns="file", output="mask")
    assert response.error.kind is ErrorKind.MALFORMED
    assert words in response.error.message
    assert iou.value is None


def test_a_wrong_key_is_no_mask():
    response, iou, _ = asked(lambda: web.json_response({}), key="guess", returns="file")
    assert response.error.kind is ErrorKind.AUTH
    assert "guess" not in response.error.message
    assert iou.reason.startswith("auth: HTTP 401")


def test_returns_is_checked_and_part_of_the_fingerprint():
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    with pytest.raises(ValueError, match="returns must be one of json, file: 'xml'"):
        http.make(tools, url="http://127.0.0.1/x", returns="xml")
    told = [http.make(tools, url="http://127.0.0.1/x", returns=way).fingerprint for way in ("json", "file")]
    assert told[0] == http.make(tools, url="http://127.0.0.1/x").fingerprint != told[1]
    assert json.dumps(told)
