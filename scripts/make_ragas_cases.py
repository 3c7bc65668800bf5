"""Regenerate the golden cases of RAGAS' metrics with RAGAS itself and canned verdicts; CI diffs the result.

Usage: python scripts/make_ragas_cases.py [folder]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_ragas_cases.py"
QUESTION = "When does the pool in Oldenburg close for repairs?"
PASSAGES = [
    "The pool in Oldenburg closes on 3 May for five weeks of repairs.",
    "The library in Oldenburg opens at nine.",
    "Repairs of the pool cost 40,000 euros.",
]
ANSWER = "It closes on 3 May and stays shut for a year."
TARGET = {"answer": ["on 3 May", "3 May"], "passages": ["pool#1"]}


def verdicts(statements: Sequence[str], said: Sequence[int]) -> dict[str, Any]:
    """What a judge answers about statements."""
    listed = [{"statement": one, "reason": "so", "verdict": v} for one, v in zip(statements, said, strict=True)]
    return {"statements": listed}


def faithfulness() -> list[tuple[str, list[Any]]]:
    """Answers with what the judge says: first the statements, then a verdict on each."""
    two = ["The pool closes on 3 May.", "The pool stays shut for a year."]
    four = [*two, "The pool is in Oldenburg.", "Repairs take five weeks."]
    return [
        (ANSWER, [{"statements": two}, verdicts(two, [1, 0])]),
        ("On 3 May.", [{"statements": two[:1]}, verdicts(two[:1], [1])]),
        ("Long and partly right.", [{"statements": four}, verdicts(four, [1, 0, 1, 1])]),
        ("Never.", [{"statements": two}, verdicts(two, [0, 0])]),
    ]


def relevancy() -> list[tuple[str, list[Any]]]:
    """Answers with three questions made of each, then the vector of the question and those of the three."""
    ask = [{"question": f"When does it close, version {n}?", "noncommittal": 0} for n in range(3)]
    vague = [{**one, "noncommittal": 1} for one in ask]
    one = {"vectors": [[1.0, 2.0, 0.5]]}
    near = {"vectors": [[1.0, 2.0, 0.4], [0.9, 2.1, 0.5], [2.0, 1.0, 0.0]]}
    far = {"vectors": [[0.0, 0.1, 3.0], [1.0, 0.0, 0.0], [0.3, 0.2, 0.1]]}
    return [
        (ANSWER, [*ask, one, near]),
        ("Something else.", [*ask, one, far]),
        ("I am not sure, it depends.", [*vague, one, near]),
        ("Half of it is vague.", [vague[0], *ask[1:], one, near]),
    ]


def precision() -> list[tuple[str, list[Any]]]:
    """Answers with a verdict on each passage."""
    listed = ([1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0], [0, 1, 1])
    return [(ANSWER, [{"reason": "so", "verdict": one} for one in said]) for said in listed]


def metric(name: str, canned: Sequence[Any]) -> Any:
    """RAGAS' metric with a model and embeddings that say what they are told, in turn."""
    from ragas.embeddings.base import BaseRagasEmbedding
    from ragas.llms.base import InstructorBaseRagasLLM
    from ragas.metrics.collections import AnswerRelevancy, ContextPrecision, Faithfulness

    said = iter(canned)

    class Model(InstructorBaseRagasLLM):  # type: ignore[misc]
        def generate(self, prompt: str, response_model: Any) -> Any:  # noqa: ARG002 - RAGAS' interface
            return response_model(**next(said))

        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            return self.generate(prompt, response_model)

    class Vectors(BaseRagasEmbedding):  # type: ignore[misc]
        def embed_text(self, text: str, **_: Any) -> Any:  # noqa: ARG002 - RAGAS' interface
            return next(said)["vectors"][0]

        async def aembed_text(self, text: str, **_: Any) -> Any:
            return self.embed_text(text)

        async def aembed_texts(self, texts: list[str], **_: Any) -> Any:  # noqa: ARG002 - RAGAS' interface
            return next(said)["vectors"]

    if name == "answer_relevancy":
        return AnswerRelevancy(llm=Model(), embeddings=Vectors())
    return (Faithfulness if name == "faithfulness" else ContextPrecision)(llm=Model())


def cases(name: str) -> dict[str, Any]:
    """The case file of a metric: values from RAGAS, and answers that no judge is asked about."""
    listed = {"faithfulness": faithfulness, "answer_relevancy": relevancy, "context_precision": precision}[name]()
    item = {"input": {"question": QUESTION, "passages": PASSAGES}, "target": TARGET}
    items, values = [], []
    for answer, canned in listed:
        asked = {"user_input": QUESTION, "response": answer, "reference": TARGET["answer"][0]}
        wanted = {
            "faithfulness": ("user_input", "response"),
            "answer_relevancy": ("user_input", "response"),
            "context_precision": ("user_input", "reference"),
        }[name]
        fields: dict[str, Any] = {field: asked[field] for field in wanted}
        if name != "answer_relevancy":
            fields["retrieved_contexts"] = PASSAGES
        values.append(asyncio.run(metric(name, canned).ascore(**fields)).value)
        items.append({**item, "output": {"answer": answer, "citations": []}, "judge": canned})
    spec = f"{name}(judge='j', embeddings='e')" if name == "answer_relevancy" else f"{name}(judge='j')"
    made = {"library": "ragas", "version": version("ragas"), "command": COMMAND}
    case = {"name": "as RAGAS", "spec": spec, "items": items, "scores": [{name: value} for value in values]}
    case["value"] = {name: sum(values) / len(values)}
    return {"made_by": made, "scores_refusals": True, "cases": [case, unasked(name, spec, item)]}


def unasked(name: str, spec: str, item: dict[str, Any]) -> dict[str, Any]:
    """Answers that need no judge."""
    absent = {**item, "target": {"answer": None, "passages": []}, "output": {"answer": "On 4 May."}}
    if name == "context_precision":
        silent = {**item, "input": {"question": QUESTION}, "output": {"answer": "x"}}
        items = [{**absent, "reason": "hold no answer"}, {**silent, "reason": "nothing was retrieved"}]
        return {"name": "nobody is asked", "spec": spec, "items": items, "scores": [{name: None}, {name: 0}]}
    abstained = {**item, "output": {"answer": None}}
    items = [
        {**absent, "reason": "hold no answer"},
        {**abstained, "reason": "abst"},
        {**item, "output": '{"answer": "cut', "finish": "length", "reason": "nobody was asked"},
    ]
    values = [None, None if name == "faithfulness" else 0, 0]
    return {"name": "nobody is asked", "spec": spec, "items": items, "scores": [{name: value} for value in values]}


def main(folder: Path) -> None:
    """Write the files."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    warnings.simplefilter("ignore")
    for name in ("faithfulness", "answer_relevancy", "context_precision"):
        (folder / f"{name}.json").write_text(json.dumps(cases(name), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
