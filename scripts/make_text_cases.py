"""Regenerate the golden cases of BLEU, chrF, TER (sacrebleu) and ROUGE (rouge-score); CI diffs the result.

Usage: python scripts/make_text_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_text_cases.py"
Case = dict[str, Any]
Pairs = list[tuple[list[str], str]]
REFERENCES = [
    "The pool closes for five weeks because its filters, installed in 1987, are worn out.",
    "Cold water cleans hands as well as warm water; what counts is ten seconds of rubbing.",
    "Postman returns 1,140 overdue library books",
    "A sorting fault sent some parcels astray.\nThey are on their way again.",
    "Die Brücke bleibt am Sonntag gesperrt, sagt die Stadt.",
    "Nine short piano pieces, recorded in one night.",
    "Bitte nicht füttern!",
    "The owner's dog (a terrier) didn't bark; it slept.",
]


def value(number: Any) -> float:
    """Fourteen significant digits: the same on every machine."""
    return float(f"{float(number):.14g}")


def spoilt(drawn: random.Random, text: str) -> str:
    """Words dropped, doubled, swapped and moved."""
    words = text.split(" ")
    for _ in range(max(1, len(words) // 4)):
        place, other = drawn.randrange(len(words)), drawn.randrange(len(words))
        change = drawn.random()
        if change < 0.3 and len(words) > 2:
            del words[place]
        elif change < 0.5:
            words.insert(place, words[other])
        elif change < 0.8:
            words[place], words[other] = words[other], words[place]
        else:
            words[place] = words[place].upper()
    return " ".join(words)


def corpora() -> dict[str, Pairs]:
    """Spoilt and perfect answers, several references, empty and short answers, nothing in common."""
    drawn = random.Random(21)
    mixed = [([text], spoilt(drawn, text)) for text in REFERENCES]
    return {
        "spoilt": mixed,
        "two references": [([text, spoilt(drawn, text)], spoilt(drawn, text)) for text in REFERENCES],
        "equal": [([text], text) for text in REFERENCES[:3]],
        "one is empty": [*mixed[:3], ([REFERENCES[3]], "")],
        "one word": [(["one word"], "one"), (["two words here"], "words")],
        "nothing in common": [([REFERENCES[2]], "xyzzy quux"), ([REFERENCES[5]], "plugh")],
        "much too long": [([text], " ".join([text] * 4)) for text in REFERENCES[:2]],
    }


def _items(pairs: Pairs) -> list[dict[str, Any]]:
    return [{"target": refs if len(refs) > 1 else refs[0], "output": said} for refs, said in pairs]


def _transposed(pairs: Pairs) -> list[list[str]]:
    return [list(column) for column in zip(*(refs for refs, _ in pairs), strict=True)]


def sacrebleu_cases(name: str, specs: dict[str, Any]) -> list[Case]:
    """Corpus scores under several options; for the first one also TER and chrF of each answer alone."""
    made = []
    for place, (spec, engine) in enumerate(specs.items()):
        for corpus, pairs in corpora().items():
            if place and corpus not in ("spoilt", "two references"):
                continue
            said = [answer for _, answer in pairs]
            case: Case = {"name": f"{corpus}, {spec}", "spec": spec, "items": _items(pairs)}
            if name != "bleu":
                case["scores"] = [{name: value(engine.sentence_score(a, refs).score)} for refs, a in pairs]
            case["value"] = {name: value(engine.corpus_score(said, _transposed(pairs)).score)}
            made.append(case)
    return made


def bleu_cases() -> list[Case]:
    """BLEU with its tokenizers and smoothings."""
    from sacrebleu.metrics import BLEU

    cases = sacrebleu_cases(
        "bleu",
        {
            "bleu": BLEU(),
            "bleu(tokenize='intl')": BLEU(tokenize="intl"),
            "bleu(tokenize='char')": BLEU(tokenize="char"),
            "bleu(smooth='floor')": BLEU(smooth_method="floor"),
            "bleu(smooth='add-k', lowercase=True)": BLEU(smooth_method="add-k", lowercase=True),
            "bleu(smooth='none', tokenize='none')": BLEU(smooth_method="none", tokenize="none"),
        },
    )
    alone = BLEU(effective_order=True)
    for case in cases:
        if case["spec"] == "bleu":
            pairs = [
                (i["target"] if isinstance(i["target"], list) else [i["target"]], i["output"]) for i in case["items"]
            ]
            case["scores"] = [{"bleu": value(alone.sentence_score(answer, refs).score)} for refs, answer in pairs]
    return cases


def chrf_cases() -> list[Case]:
    """chrF, chrF++ and other orders."""
    from sacrebleu.metrics import CHRF

    return sacrebleu_cases(
        "chrf",
        {
            "chrf": CHRF(),
            "chrf(word_order=2)": CHRF(word_order=2),
            "chrf(beta=3, char_order=4, lowercase=True, whitespace=True)": CHRF(
                beta=3, char_order=4, lowercase=True, whitespace=True
            ),
        },
    )


def ter_cases() -> list[Case]:
    """TER with its normalisations."""
    from sacrebleu.metrics import TER

    return sacrebleu_cases(
        "ter",
        {
            "ter": TER(),
            "ter(normalized=True, case_sensitive=True)": TER(normalized=True, case_sensitive=True),
            "ter(no_punct=True)": TER(no_punct=True),
        },
    )


def rouge_cases() -> list[Case]:
    """ROUGE with and without stems."""
    from rouge_score.rouge_scorer import RougeScorer

    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    made = []
    for spec, stemmer in (("rouge", True), ("rouge(stemmer=False)", False)):
        engine = RougeScorer(names, use_stemmer=stemmer)
        for corpus, pairs in corpora().items():
            found = [engine.score_multi(refs, answer) for refs, answer in pairs]
            scores = [{name: value(one[name].fmeasure) for name in names} for one in found]
            made.append({"name": f"{corpus}, {spec}", "spec": spec, "items": _items(pairs), "scores": scores})
    return made


MADE = {
    "bleu": ("sacrebleu", bleu_cases),
    "chrf": ("sacrebleu", chrf_cases),
    "ter": ("sacrebleu", ter_cases),
    "rouge": ("rouge-score", rouge_cases),
}


def main(folder: Path) -> None:
    """Write one file per scorer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (library, cases) in MADE.items():
        made_by = {"library": library, "version": version(library), "command": COMMAND}
        text = json.dumps({"made_by": made_by, "cases": cases()}, ensure_ascii=False)
        for mark in ('{"name": ', '{"target": '):
            text = text.replace(mark, f"\n{mark}")
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
