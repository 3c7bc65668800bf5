"""Dense retrieval and reranking: what is asked of whom, and what becomes of parts that fail."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.core.capabilities import learns
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure, Given, Response, Sample

TEXTS = {"a": "apples on trees", "b": "books about trees", "c": "cars with engines"}
CORPUS = [Sample(ident, {"title": ident.upper(), "text": text}) for ident, text in TEXTS.items()]
GIVEN = Given("g", (), CORPUS)
WORDS = ["apples", "trees", "books", "cars", "engines", "on", "about", "with"]


def embedding(text):
    """Which of eight words a text has, and a little of everything, so that no vector is zero."""
    return [float(word in text.lower()) + 0.01 for word in WORDS]


class Part:
    """A candidate that answers by a function and remembers what it was asked."""

    def __init__(self, name, tell):
        self.name = self.fingerprint = name
        self.tell, self.seen = tell, []

    async def answer(self, sample, ctx):
        self.seen.append(sample)
        found = self.tell(sample)
        return found if isinstance(found, Response) else Response(output=found)


class Context:
    """Asks parts as they are, and writes down the stages."""

    repeat = 0

    def __init__(self):
        self.stages = []

    async def ask(self, candidate, sample, stage=""):
        self.stages.append(stage)
        return await candidate.answer(sample, self)


def embedder(tell=lambda sample: {"vectors": [embedding(text) for text in sample.input["texts"]]}):
    return Part("embedder", tell)


def index():
    return registry.make("baselines", "vector_search")


def dense(part, **options):
    return registry.module("systems", "dense").make({"embedder": part, "index": index()}, **options)


def learnt(system, ctx, given=GIVEN):
    return asyncio.run(system.fit_asking(given, 1, ctx))


def ask(candidate, ctx, fields):
    return asyncio.run(candidate.answer(Sample("q", fields), ctx))


def ids(response):
    assert response.error is None, response.error
    return [item if isinstance(item, str) else item[0] for item in response.output["ranking"]]


def test_dense_embeds_the_corpus_in_batches_once_then_the_query():
    part, ctx = embedder(), Context()
    system = dense(part, batch=2, passage_prefix="passage: ", query_prefix="query: ")
    assert learns(system)
    fitted = learnt(system, ctx)
    assert [sample.input["texts"] for sample in part.seen] == [
        ["passage: A. apples on trees", "passage: B. books about trees"],
        ["passage: C. cars with engines"],
    ]
    response = ask(fitted, ctx, {"query": "books"})
    assert part.seen[-1].input == {"texts": ["query: books"]}
    assert ids(response) == ["b", "c", "a"] or ids(response)[0] == "b"
    assert response.meta["index_bytes"] == 3 * 8 * 4
    assert ctx.stages == ["embed corpus", "embed corpus", "embed query"]
    assert ids(ask(fitted, ctx, {"text": "engines"}))[0] == "c"


def test_dense_says_what_it_has_learnt_from_in_its_fingerprint():
    part, ctx = embedder(), Context()
    one, other = learnt(dense(part), ctx), learnt(dense(part), ctx, Given("h", (), CORPUS))
    assert one.fingerprint != other.fingerprint
    assert dense(part).fingerprint != dense(part, batch=7).fingerprint
    assert one.name == "dense"


FAILED = Response(error=Failure(ErrorKind.AUTH, "HTTP 401: no", status=401))


def test_an_embedder_that_refuses_is_every_answer_with_its_kind():
    ctx = Context()
    fitted = learnt(dense(embedder(lambda sample: FAILED)), ctx)
    assert ask(fitted, ctx, {"query": "books"}).error == FAILED.error
    part = embedder()
    fitted = learnt(dense(part), ctx)
    part.tell = lambda sample: FAILED
    assert ask(fitted, ctx, {"query": "books"}).error == FAILED.error


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (None, "did not answer with 3 `vectors`"),
        ([[1.0, 0.0]], "did not answer with 3 `vectors`"),
        ([[1.0, 0.0], [1.0], [0.0, 1.0]], "passage 'b' has 1 dimensions; the first, 'a', has 2"),
        ([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], "passage 'b' is zero"),
        ([[1.0, 0.0], [0.0, 1.0], [float("nan"), 1.0]], "passage 'c' holds NaN"),
    ],
)
def test_corpus_vectors_that_cannot_be_compared(vectors, words):
    ctx = Context()
    fitted = learnt(dense(embedder(lambda sample: {"vectors": vectors})), ctx)
    error = ask(fitted, ctx, {"query": "books"}).error
    assert error.kind is ErrorKind.CANDIDATE
    assert words in error.message


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        (lambda sample: "a chat's answer", "did not answer with 1 `vectors`; is it an embedding model?"),
        (lambda sample: {"vectors": [[1.0] * 7]}, "query 'q' has 7 dimensions, the index 8"),
        (lambda sample: {"vectors": [[0.0] * 8]}, "query 'q' is zero"),
    ],
)
def test_query_vectors_that_cannot_be_compared(tell, words):
    part, ctx = embedder(), Context()
    fitted = learnt(dense(part), ctx)
    part.tell = tell
    assert words in ask(fitted, ctx, {"query": "books"}).error.message


def test_what_dense_cannot_search_or_read():
    ctx = Context()
    assert "`dataset.corpus`" in ask(dense(embedder()), ctx, {"query": "x"}).error.message
    assert (
        "`dataset.corpus`" in ask(learnt(dense(embedder()), ctx, Given("g", (), [])), ctx, {"query": "x"}).error.message
    )
    untold = learnt(dense(embedder(), fields="body"), ctx)
    assert "passage 'a' has no text in body" in ask(untold, ctx, {"query": "x"}).error.message
    assert "no query in input field 'query'" in ask(learnt(dense(embedder()), ctx), ctx, {"row": 1}).error.message


@pytest.mark.parametrize(
    ("parts", "options", "words"),
    [
        ({"embedder": embedder()}, {}, "index is missing"),
        ({"embedder": embedder(), "index": index(), "judge": embedder()}, {}, "no role 'judge'"),
        ({"embedder": (embedder(),), "index": index()}, {}, "embedder must name one candidate"),
        ({"embedder": embedder(), "index": embedder()}, {}, "index must learn vectors"),
        ({"embedder": embedder(), "index": index()}, {"batch": 0}, "whole number from 1"),
        ({"embedder": embedder(), "index": index()}, {"depth": 3}, "unknown option 'depth'"),
    ],
)
def test_wrong_parts_and_options(parts, options, words):
    with pytest.raises(ValueError, match=words):
        registry.module("systems", "dense").make(parts, **options)


def reranker(tell=lambda sample: {"scores": [float(len(text)) for text in sample.input["documents"]]}):
    return Part("reranker", tell)


def reranked(first, second, **options):
    return registry.module("systems", "rerank").make({"retriever": first, "reranker": second}, **options)


def test_rerank_reads_the_first_passages_and_keeps_the_rest():
    retriever = Part("retriever", lambda sample: Response(output={"ranking": [["a", 3], ["c", 2], ["b", 1]]}, meta={"index_bytes": 5}))  # fmt: skip
    second, ctx = reranker(), Context()
    fitted = learnt(reranked(retriever, second, depth=2), ctx)
    response = ask(fitted, ctx, {"query": "wood"})
    assert second.seen[0].input == {"query": "wood", "documents": ["A. apples on trees", "C. cars with engines"]}
    assert ids(response) == ["c", "a", "b"]
    assert response.meta == {"index_bytes": 5}
    assert ctx.stages == ["retrieve", "rerank"]


def test_rerank_lets_its_retriever_learn():
    ctx = Context()
    fitted = learnt(reranked(registry.make("baselines", "bm25"), reranker()), ctx)
    assert ids(ask(fitted, ctx, {"query": "trees"})) == ["b", "a"]
    assert ids(ask(fitted, ctx, {"query": "nothing known"})) == []
    inner = dense(embedder())
    nested = learnt(reranked(inner, reranker()), ctx)
    assert sorted(ids(ask(nested, ctx, {"query": "trees"}))) == ["a", "b", "c"]


def test_left_out_and_equal_scores_keep_the_retrievers_order():
    retriever = Part("retriever", lambda sample: ["c", "b", "a"])
    ctx = Context()
    some = learnt(reranked(retriever, reranker(lambda sample: {"scores": [None, 0.5, 0.9]})), ctx)
    assert ids(ask(some, ctx, {"query": "x"})) == ["a", "b", "c"]
    equal = learnt(reranked(retriever, reranker(lambda sample: {"scores": [1, 1, 1]})), ctx)
    assert ids(ask(equal, ctx, {"query": "x"})) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (FAILED, {"scores": [1]}, "HTTP 401"),
        (["a"], FAILED, "HTTP 401"),
        ("prose", {"scores": [1]}, "ranking of document ids"),
        ([1], {"scores": [1]}, "ranking of document ids"),
        (["z"], {"scores": [1]}, "'z', which is not in the corpus"),
        (["a"], "prose", "did not answer with 1 `scores`; is it a reranker?"),
        (["a"], {"scores": [1, 2]}, "did not answer with 1 `scores`"),
    ],
)
def test_stages_that_fail(first, second, words):
    ctx = Context()
    fitted = learnt(reranked(Part("retriever", lambda sample: first), reranker(lambda sample: second)), ctx)
    assert words in ask(fitted, ctx, {"query": "x"}).error.message


def test_what_rerank_cannot_search_or_read():
    ctx, part = Context(), Part("retriever", lambda sample: ["a"])
    assert "learnt nothing" in ask(reranked(part, reranker()), ctx, {"query": "x"}).error.message
    assert "`dataset.corpus`" in ask(learnt(reranked(part, reranker()), ctx, Given("g", ())), ctx, {"query": "x"}).error.message  # fmt: skip
    assert "no query" in ask(learnt(reranked(part, reranker()), ctx), ctx, {"query": 3}).error.message
    with pytest.raises(ValueError, match="whole number from 1"):
        reranked(part, reranker(), depth=0)
    with pytest.raises(ValueError, match="reranker is missing"):
        registry.module("systems", "rerank").make({"retriever": part})


PROJECT = """
candidates:
  embedder: {{provider: embeddings, model: hashing, base_url: "{url}/v1", dimensions: 256}}
  reranker: {{provider: rerank, model: overlap, base_url: "{url}"}}
  dense: {{system: dense, parts: {{embedder: embedder, index: vector_search}}, batch: 50}}
  reranked: {{system: rerank, parts: {{retriever: bm25, reranker: reranker}}, depth: 10}}
  locked: {{system: dense, parts: {{embedder: closed, index: vector_search}}}}
  closed: {{provider: embeddings, model: locked, base_url: "{url}/v1"}}
"""
SUITE = """
name: small
family: retrieval
dataset: {path: queries.jsonl, corpus: {path: passages.jsonl}}
scorers: [ndcg@10, recall@10, index]
primary: ndcg@10
candidates: [bm25, dense, reranked, locked]
"""


@pytest.fixture
def server():
    """Speaks both APIs: vectors of hashed words, relevance by common words; the model `locked` needs a key."""
    import threading
    import zlib
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    calls = SimpleNamespace(embeddings=[], rerank=0)

    def vector(text):
        found = [0.01] * 256
        for word in text.lower().split():
            found[zlib.crc32(word.strip(".,?").encode()) % 256] += float(len(word) > 4)
        return found

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *told):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = 200
            if body["model"] == "locked":
                status, said = 401, {"error": {"message": "who are you?"}}
            elif self.path == "/v1/embeddings":
                assert body["dimensions"] == 256
                calls.embeddings.append(len(body["input"]))
                data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
                said = {"data": data, "model": "hashing-1", "usage": {"prompt_tokens": sum(len(t.split()) for t in body["input"])}}  # fmt: skip
            else:
                assert self.path == "/v2/rerank"
                calls.rerank += 1
                query = set(body["query"].lower().split())
                scores = [len(query & set(text.lower().split())) for text in body["documents"]]
                said = {"results": [{"index": i, "relevance_score": score} for i, score in enumerate(scores)]}
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}", calls
    running.shutdown()
    running.server_close()
    thread.join()


def test_end_to_end_over_sockets(tmp_path, monkeypatch, server, capsys):
    from pathlib import Path

    from evalkit.cli.main import main

    url, calls = server
    root = Path(__file__).parents[2] / "datasets"
    queries = (root / "retrieval/queries.jsonl").read_text("utf-8").splitlines()[:30]
    named = {ident for line in queries for ident in json.loads(line)["target"]}
    kept = [line for line in (root / "corpus/passages.jsonl").read_text("utf-8").splitlines() if json.loads(line)["id"] in named]  # fmt: skip
    (tmp_path / "queries.jsonl").write_text("\n".join(queries), "utf-8")
    (tmp_path / "passages.jsonl").write_text("\n".join(kept), "utf-8")
    (tmp_path / "small.yaml").write_text(SUITE, "utf-8")
    (tmp_path / "evalkit.yaml").write_text(PROJECT.format(url=url), "utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return ended.value.code, capsys.readouterr()

    code, _ = run("run", "small.yaml", "-q", "--yes")
    assert code == 5, "the locked candidate has no answers"
    sizes = sorted(calls.embeddings, reverse=True)
    assert sum(size for size in sizes if size > 1) == len(kept)
    assert max(sizes) == 50
    assert sizes.count(1) >= 30
    assert 20 <= calls.rerank <= 30
    _, told = run("sql", "select candidate, metric, value, errored, n from result join entry using (entry_id) where slice = ''", "--json")  # fmt: skip
    found = {(row["candidate"], row["metric"]): row for row in json.loads(told.out)}
    assert found["dense", "ndcg@10"]["errored"] == found["reranked", "ndcg@10"]["errored"] == 0
    assert 0.1 < found["dense", "ndcg@10"]["value"] < 1
    assert found["reranked", "ndcg@10"]["value"] != found["bm25", "ndcg@10"]["value"]
    assert found["dense", "index_mib"]["value"] == len(kept) * 256 * 4 / 2**20
    _, told = run("sql", "select stage, count(*) as n from call where stage is not null group by 1", "--json")
    stages = {row["stage"]: row["n"] for row in json.loads(told.out)}
    assert stages["embed query"] == stages["retrieve"] == 30
    assert stages["rerank"] == calls.rerank
    _, told = run("sql", "select distinct error_kind from call where error_kind is not null", "--json")
    assert json.loads(told.out) == [{"error_kind": "auth"}]
    before = len(calls.embeddings), calls.rerank
    code, _ = run("run", "small.yaml", "-q", "--yes")
    assert code == 5
    assert (len(calls.embeddings), calls.rerank) == before, "what is known is not asked again"


LLAMA = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = sys.argv[1], ["127.0.0.1"], 0
params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
params.n_ctx = params.n_batch = params.n_ubatch = 2048
params.verbosity, params.cpuparams.n_threads, params.cpuparams_batch.n_threads = 1, 1, 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.mark.nightly
def test_the_local_model_embeds_passages():
    """llama.cpp's own endpoint: real vectors of a real, weak model, in batches, with usage."""
    import subprocess
    import sys

    from evalkit.core.types import Tools
    from evalkit.providers import _models, embeddings

    same = [f"{ident.upper()}. {text}" for ident, text in TEXTS.items()]
    command = [sys.executable, "-c", LLAMA, str(_models.get("smollm2-135m"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:  # fmt: skip
        try:
            address = server.stdout.readline().strip()
            tools = Tools(root="/", blobs=None, render=None, secret=lambda name: None)
            model = embeddings.make(tools, "smollm2-135m", base_url=f"{address}/v1")

            async def both():
                try:
                    ctx = Context()
                    fitted = await dense(model, batch=2).fit_asking(GIVEN, 1, ctx)
                    return [await fitted.answer(Sample("q", {"query": text}), ctx) for text in (*same, "wood")]
                finally:
                    await model.close()

            *own, other = asyncio.run(both())
        finally:
            server.stdin.close()
            server.wait(10)
    assert [ids(response)[0] for response in own] == list(TEXTS)
    assert sorted(ids(other)) == ["a", "b", "c"]
    assert other.meta["index_bytes"] == 3 * 576 * 4
