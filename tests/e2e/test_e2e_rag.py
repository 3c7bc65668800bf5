"""RAG from file to leaderboard, and RAGAS over a real socket: every call keyed and costed, failures never a zero."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_talking import ROOT, Copied, chat_reply, talking

CANDIDATE = "rag_bm25"
RAGAS = ("faithfulness", "answer_relevancy", "context_precision")


def project(root, candidates=None, **changes):
    copied = Copied.of(root, "rag", {"rag": changes}, candidates or {})
    shutil.copytree(ROOT / "datasets" / "corpus", root / "datasets" / "corpus")
    return copied


def judged(root, url, **options):
    judge = {"provider": "openai", "model": "judge-1", "base_url": f"{url}/v1"}
    small = {"provider": "embeddings", "model": "vectors-1", "encoding": "float", "base_url": f"{url}/v1"}
    told = {"judge": "judge", **options}
    scorers = [
        {"faithfulness": told},
        {"answer_relevancy": {**told, "embeddings": "small"}},
        {"context_precision": told},
    ]
    return project(root, {"judge": judge, "small": small}, scorers=scorers, primary="faithfulness")


def test_ten_questions_from_file_to_leaderboard(tmp_path):
    copied = project(tmp_path)
    assert copied.run("rag", "-c", CANDIDATE, "-c", "rag_bm25_careful", "--limit", "10") == 0
    plain, careful = (copied.values("rag", name) for name in (CANDIDATE, "rag_bm25_careful"))
    assert {"rag_f1", "citation_f1", "abstention_f1", "recall@3", "recall@10", "ndcg@10", "cost_usd"} <= set(plain)
    assert plain["recall@10"] == careful["recall@10"] >= plain["recall@3"] > 0.3
    assert 0 < plain["rag_f1"] < 1
    assert plain["cost_usd"] == 0
    stages = copied.sql("select stage, count(*) as n from call where stage is not null group by 1 order by 1")
    # Both candidates ask the same retriever: what one asked is known to the other.
    assert {row["stage"] for row in stages} == {"read", "retrieve"}
    assert {row["n"] for row in stages if row["stage"] == "retrieve"} <= {10, 20}
    (skipped,) = copied.sql("select count(*) as n from score where metric = 'recall@3' and value is null")
    (absent,) = copied.sql("select count(*) as n from score where metric = 'abstention_f1' and reason like 'answered where%'")  # fmt: skip
    assert skipped["n"] >= absent["n"]


def test_a_chat_reader_is_asked_with_the_suites_prompt_and_read_leniently(tmp_path):
    said = iter(
        [
            '```json\n{"answer": "UTF-8", "citations": [2]}\n```',
            "The passages do not say.",
            '{"answer": null, "citations": []}',
            '{"answer": "half',
        ]
    )

    def reply(path, body):
        assert path == "/v1/chat/completions"
        schema = body["response_format"]["json_schema"]["schema"]
        assert schema["required"] == ["answer", "citations"]
        system, user = body["messages"]
        assert "numbered passages" in system["content"]
        asked = user["content"].split("\n\n", 1)[1]
        assert asked.startswith("[1] ")
        assert re.search(r"\n\[3\] [^\n]+\nQuestion: [^\n]+\nAnswer as JSON:$", asked.rstrip())
        return chat_reply(body["model"], next(said))

    with talking(reply) as server:
        chat = {"provider": "openai", "model": "m", "base_url": f"{server.url}/v1"}
        system = {"system": "rag", "parts": {"retriever": "bm25", "reader": "chat"}, "k": 3}
        copied = project(tmp_path, {"chat": chat, "asked": system})
        assert copied.run("rag", "-c", "asked", "--limit", "4") in (0, 5)
    rows = copied.sql("select output, meta from call where ordinal = 0")
    outputs = [json.loads(row["output"]) for row in rows]
    assert [one for one in outputs if isinstance(one, str)] == ['{"answer": "half']
    objects = {one["answer"]: one["citations"] for one in outputs if isinstance(one, dict)}
    assert set(objects) == {"UTF-8", "The passages do not say.", None}
    shown = [[p["id"] for p in json.loads(row["meta"])["passages"]] for row in rows]
    assert objects["UTF-8"][0] in [ids[1] for ids in shown]
    reasons = copied.sql("select distinct status, reason from score where metric = 'rag_f1' and value is null")
    assert [row["status"] for row in reasons] == ["unscorable"]
    assert "no object with `answer`" in reasons[0]["reason"]


def verdict(body):
    """What a patient judge says, by the object that it is asked for."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    assert body["response_format"]["json_schema"]["strict"] is True
    if "question" in properties:
        return {"question": "What is asked here?", "noncommittal": 0}
    if "verdict" in properties:
        return {"reason": "so", "verdict": int("text" in body["messages"][-1]["content"].rsplit("Input", 1)[-1])}
    if "$defs" in body["response_format"]["json_schema"]["schema"]:
        listed = [("It is one.", 1), ("It is two.", 0)]
        return {"statements": [{"statement": one, "reason": "so", "verdict": said} for one, said in listed]}
    return {"statements": ["It is one.", "It is two."]}


def embedded(body):
    rows = [{"object": "embedding", "index": n, "embedding": [1.0, float(n + 1)]} for n in range(len(body["input"]))]
    return {"object": "list", "data": rows, "model": body["model"], "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def patient(path, body):
    return embedded(body) if path == "/v1/embeddings" else chat_reply(body["model"], json.dumps(verdict(body)))


def test_ragas_over_a_socket_keyed_and_never_asked_twice(tmp_path):
    with talking(patient) as server:
        copied = judged(tmp_path, server.url, strictness=2)
        assert copied.run("rag", "-c", CANDIDATE, "--limit", "3") == 0, copied.sql("select reason from score")
        values = copied.values("rag", CANDIDATE)
        asked = len(server.asked)
        assert copied.run("rag", "-c", CANDIDATE, "--limit", "3") == 0
        assert len(server.asked) == asked
    assert values["faithfulness"] == 0.5
    assert 0 < values["answer_relevancy"] <= 1
    assert 0 <= values["context_precision"] <= 1
    kinds = {row["stage"]: row["n"] for row in copied.sql("select stage, count(*) as n from call group by 1")}
    applied = copied.sql("select metric, count(*) as n from score where value is not null group by 1")
    counts = {row["metric"]: row["n"] for row in applied}
    answered = counts["faithfulness"]
    assert kinds["judge"] == 2 * answered + 2 * answered + 5 * counts["context_precision"]
    assert kinds["judge"] + kinds["embed"] == asked
    (tokens,) = copied.sql(
        "select sum(json_extract(usage, '$.input_tokens')::double) as n from call where stage = 'judge'"
    )
    assert tokens["n"] == 50 * kinds["judge"]


def limited(path, body):
    return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0"})


def broken(path, body):
    return web.json_response({"error": {"message": "the model fell over"}}, status=500)


def prose(path, body):
    return chat_reply(body["model"], "I believe that it is quite faithful.")


def other(path, body):
    return chat_reply(body["model"], json.dumps({"grade": 5}))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (limited, "rate_limited: "),
        (broken, "provider_error: "),
        (prose, "it said 'I believe that it is quite faithful.'"),
        (other, "not what was asked for: "),
    ],
)
def test_a_judge_that_fails_is_an_error_and_the_headline_is_undefined(tmp_path, reply, words):
    with talking(reply) as server:
        copied = judged(tmp_path, server.url)
        assert copied.run("rag", "-c", CANDIDATE, "--limit", "2", "--retries", "0") in (0, 5)
    rows = copied.sql("select metric, status, value, headline_value, reason from scores where status <> 'scored'")
    assert {row["metric"] for row in rows} == set(RAGAS)
    for row in rows:
        assert (row["status"], row["value"], row["headline_value"]) == ("errored", None, None)
        assert "JudgeFailed: judge judge: " in row["reason"]
        assert words in row["reason"]
    headlines = copied.sql("select metric, value from leaderboard where slice = '' and candidate = 'rag_bm25'")
    assert {row["value"] for row in headlines if row["metric"] in RAGAS} == {None}


@pytest.mark.nightly
def test_ragas_on_the_local_model_gives_numbers_or_says_why_not(tmp_path):
    scorers = [{"faithfulness": {"judge": "smollm2"}}, {"context_precision": {"judge": "smollm2"}}]
    scorers.append({"answer_relevancy": {"judge": "smollm2", "strictness": 1}})
    copied = project(tmp_path, scorers=scorers, primary="faithfulness")
    assert copied.run("rag", "-c", CANDIDATE, "--limit", "2") in (0, 5)
    rows = copied.sql("select metric, status, value, reason from score")
    assert {row["metric"] for row in rows} == set(RAGAS)
    for row in rows:
        assert (row["value"] is not None and 0 <= row["value"] <= 1) or row["reason"]
    stages = copied.sql("select distinct model from call where stage = 'judge'")
    assert [row["model"] for row in stages] == ["llamacpp:smollm2-135m"]
