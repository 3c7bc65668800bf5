"""The comment: golden files, its bound, what is left out first, and samples that try to break out."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalkit.gate.comment import LIMIT, MARKS, comment, marker
from evalkit.gate.diff import word_diff
from evalkit.gate.headline import green
from evalkit.gate.inert import code, fenced, html_code, link, one_line, prose, visible
from evalkit.gate.model import Changed, Edit, Evidence, Judge, Power, Rule, Spending, Verdict
from evalkit.gate.terminal import headline, rows

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import CASES, accuracy, difference, evidence, one, side, verdict

GOLDEN = Path(__file__).parents[1] / "cases" / "gate"
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TAGS = {
    "h2",
    "h3",
    "p",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "b",
    "pre",
    "code",
    "del",
    "ins",
    "s",
    "ul",
    "li",
    "blockquote",
    "a",
    "br",
    "strong",
}  # fmt: skip
REPORT = "https://ci.example.org/report/index.html"


class Page(HTMLParser):
    """What a browser would make of it: tags, text outside of code, links, comments, and whether all tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.prose: list[str] = []
        self.comments: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"code", "pre"} & set(self.open):
            self.prose.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def rendered(text: str) -> Page:
    page = Page()
    page.feed(PARSER.render(text))
    page.close()
    return page


def assert_inert(text: str, suite: str) -> None:
    """No HTML, link, mention or reference of a sample outside of code; every tag closes; one marker, at the top."""
    assert len(text) <= LIMIT
    assert text.startswith(marker(suite) + "\n")
    page = rendered(text)
    assert page.comments == [marker(suite).removeprefix("<!--").removesuffix("-->")]
    assert page.seen <= TAGS
    assert (page.wrong, page.open) == ([], [])
    for tag, name, value in page.attributes:
        allowed = (tag == "a" and name == "href" and value == REPORT) or (
            name in ("class", "style") and re.fullmatch(r"language-console|text-align:right", value or "")
        )
        assert allowed, (tag, name, value)
    words = re.sub(r"< \$?0\.0+1", "", "\n".join(page.prose))
    assert not re.search(r"@|#\d|://|www\.|GH-\d|mailto|[<>*\[\]`|]|\b[0-9a-f]{7,}\b", words), words
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\x00-\x08\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("name", list(CASES))
def test_the_comment_is_the_golden_one(name: str) -> None:
    found = comment(*CASES[name]())
    assert found == (GOLDEN / f"{name}.md").read_text("utf-8")


def test_the_docs_show_a_real_comment() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text("utf-8")
    shown = comment(*CASES["regression"]()).splitlines()[1:]
    assert "\n".join(f"> {line}".rstrip() for line in shown) in page


@pytest.mark.parametrize("name", [name for name in CASES if name != "regression"])
def test_golden_comments_are_inert(name: str) -> None:
    assert_inert(comment(*CASES[name]()), "triage")


@pytest.mark.parametrize("name", list(CASES))
def test_only_a_pass_is_green(name: str) -> None:
    judged, beside = CASES[name]()
    head = comment(judged, beside).split("\n", 2)[1]
    assert (MARKS["pass"] in head) is green(judged) is (name in ("pass", "slices"))
    for line in comment(judged, beside).splitlines():
        assert MARKS["pass"] not in line or "PASS" in line or line.rstrip().endswith("pass |")


@pytest.mark.parametrize("name", list(CASES))
def test_the_terminal_says_the_same(name: str) -> None:
    judged, beside = CASES[name]()
    said = headline(judged, beside)
    assert said.startswith(comment(judged, beside).split("## ")[1].split(" ", 1)[1].split(":")[0])
    table = rows(judged)
    assert len(table) == len(judged.judged)
    assert [row["gated"] for row in table] == sorted((row["gated"] for row in table), reverse=True)
    assert {row["outcome"] for row in table if row["gated"]} <= {"pass", "regression", "inconclusive", "invalid"}


def test_rows_hold_numbers_and_none_for_what_is_unknown() -> None:
    found = rows(CASES["invalid"]()[0])
    assert (found[0]["before"], found[0]["better"], found[1]["before"], found[1]["delta"]) == (0.87, 0, None, None)
    assert set(found[0]) == set(found[1])
    bare = evidence(baseline=None)
    assert "of 2026" not in headline(CASES["pass"]()[0], bare)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></pre></code></td></table>",
    "<details open><summary>",
    "``` \n```\n# heading\n",
    "`code` ``more`` ```",
    "~~~\n~~~",
    "a | b || c \\| d \\\\| e",
    "@everyone @octo-org/team",
    "fixes #1, GH-2, octo/repo#3",
    "[text](https://evil.example)",
    "![image](https://evil.example/x.png)",
    "<https://evil.example> https://evil.example www.evil.example",
    "evil@example.com mailto:evil@example.com",
    "[ref]: https://evil.example\n\n[ref]",
    "<!-- evalkit:triage -->",
    "--> <!-- x",
    "\n\n\n---\n\n***\n\n===\n",
    "> quote\n- list\n1. one\n\n    code",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200b\u200f",
    "\x00\x01\x1b[31mred\x1b[0m\x07\x7f",
    "&lt;b&gt; &amp; &#64;user &commat;user",
    "*bold* **bold** _it_ ~~gone~~ $x^2$",
    "\ud800 lone \udfff",
    "0123456789abcdef0123456789abcdef01234567",
    "::error file=x::y",
    "\\`\\`\\<b>\\",
    "</PRE><A HREF='javascript:alert(1)'>x</A>",
    "<pre",
    "]]> <![CDATA[ <?php <!DOCTYPE html>",
    "\r\n\r\rx\ry",
    "\u2028\u2029 </summary>\u0085",
]


def attacked(text: str) -> tuple[Verdict, Evidence]:
    """A verdict and evidence with the text in every place that may hold a sample's, a dataset's or a model's."""
    mine = side(text, candidate=text, run_id=text, commit=text, branch=text, fingerprint=text, task_hash=text)
    theirs = side(text, candidate=text, run_id=text, commit=text, branch=text, fingerprint=text, data_hash=text)
    judged = verdict(
        one(accuracy(slice=text), difference(-0.1, 0.01), notes=(text,)),
        one(accuracy(slice="b", veto=True), difference(-0.1, 0.01)),
        one(Rule("m", share=True), None, problems=(text,)),
        one(Rule("n", slice=text, gated=False), difference(0.0, 0.01)),
        unaudited=(text,),
    )
    return replace(judged, candidate=text, baseline=text, warnings=(*judged.warnings, text)), Evidence(
        candidate=mine,
        baseline=theirs,
        anchor=theirs,
        pairs=5,
        overlap=1.0,
        changed=tuple(
            Changed(f"{text}{number}", 1.0, 0.0, text, text[::-1] + "x", reason=text, tags=(text,), link=text)
            for number in range(8)
        ),
        flaky=(text,),
        quarantined=(text,),
        judges=(Judge(text, text, text, same_on_both_sides=False, kappa=0.5),),
        spending=(Spending(text, text, 1.0, 2.0, limit=1.5, low=0.5, high=1.5, fresh=3),),
        edits=(Edit(text, text, text + "!"), Edit("prompt", text * 9, "x")),
        power=(Power(text, 0.1, 0.02, 50),),
        facts={text: text},
        reproduce=(text, f"evalkit gate {text}"),
        accept=(text,),
        report=text,
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_inside(text: str) -> None:
    assert_inert(comment(*attacked(text)), "triage")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8), st.text("`|<>\\\n&-!@#[]()*_~ ", max_size=8)),
        max_size=6,
    )
)
def test_any_text_stays_inside(parts: list[str]) -> None:
    assert_inert(comment(*attacked("".join(parts))), "triage")


def test_hostile_suite_names_stay_in_the_marker() -> None:
    judged, beside = CASES["pass"]()
    for text in (*HOSTILE, "x" * 5_000):
        assert_inert(comment(replace(judged, suite=text), beside), text)
    assert marker("a--b> c") == "<!-- evalkit:a%2D%2Db%3E c -->"
    assert marker("t-1.2_x") == "<!-- evalkit:t-1.2_x -->"


@pytest.mark.parametrize("text", ["<b>`|@" * 200_000, "x" * 1_000_000, "word " * 200_000], ids=["marks", "x", "words"])
def test_a_megabyte_is_cut(text: str) -> None:
    assert_inert(comment(*attacked(text)), "triage")


def test_the_least_important_goes_first_and_is_named() -> None:
    judged, beside = CASES["regression"]()
    noise = "".join('"&<>'[number * number % 7 % 4] for number in range(2_000))
    long = replace(
        beside,
        changed=tuple(Changed(f"s{number}", 1.0, 0.0, noise, noise[::-1]) for number in range(300)),
        edits=tuple(Edit(f"prompt {number}", noise, noise[::-1]) for number in range(30)),
        facts={f"fact {number}": noise for number in range(10)},
    )
    text = comment(judged, long)
    assert len(text) <= LIMIT
    last = text.splitlines()[-1]
    assert last.startswith("Left out, because a comment is bounded: ")
    assert "295 more samples" in last
    for kept in (
        "REGRESSION",
        "| metric |",
        "**What this size can see**",
        "<b>Validity</b>",
        "<b>Reproduce or accept</b>",
    ):
        assert kept in text


def test_many_of_everything_is_bounded_and_counted() -> None:
    gates = [one(Rule(f"metric-{number}-{'|' * 100}", margin=0.02), difference(-0.2, 0.01)) for number in range(500)]
    judged = replace(verdict(*gates), warnings=tuple(f"warning {number}" for number in range(50)))
    beside = evidence(
        changed=tuple(Changed(f"s{number}", 1.0, 0.0, "a", "b") for number in range(10_000)),
        flaky=tuple(f"f{number}" for number in range(50)),
        spending=tuple(Spending(f"p{number}", "s", 1.0, 1.0) for number in range(99)),
        edits=tuple(Edit(f"e{number}", "a", "b") for number in range(40)),
        facts={f"k{number}": "v" for number in range(99)},
    )
    text = comment(judged, beside)
    assert_inert(text, "triage")
    for said in ("42 more warnings", "more rows in the report", "480 more in the report", "9,995 more changed samples",
                 "9,895 more in the report", "50 flaky", "and 40 more", "30 more edits", "no limit set"):  # fmt: skip
        assert said in text, said


def test_what_is_not_known_is_left_out_or_said() -> None:
    judged = verdict(one(accuracy(), difference(0.0, 0.03)))
    bare = Evidence(candidate=side("terse", commit=None, branch=None, answered=0))
    text = comment(judged, bare)
    assert "There is no baseline." in text
    assert "unknown from the cache" in text
    for missing in ("Changed samples", "Cost and time", "What changed", "Reproduce", "What this size can see"):
        assert missing not in text
    nothing = comment(verdict(), bare)
    assert "nothing asserted: no gate was judged." in nothing
    assert "| metric |" not in nothing


def test_details_in_words() -> None:
    judged = verdict(one(accuracy(), difference(0.0, 0.03)), unaudited=("j",))
    beside = evidence(
        anchor=side("v1"),
        changed=(Changed("s", None, 0.5, "", ""),),
        judges=(
            Judge("j", "f", "accuracy", same_on_both_sides=True, kappa=0.41, labels=30),
            Judge("k", "f", "accuracy", same_on_both_sides=True),
        ),
        spending=(
            Spending("cost", "USD", 0.05, 0.0, limit=0.1),
            Spending("cost of judges", "usd", None, 0.00001),
            Spending("latency p95", "s", 1.0, None, limit=2.0),
        ),
        power=(Power("other", None, None, 10, 20, 1.5), Power("accuracy", 0.05, None, 10, repeats=2)),
        accept=("evalkit baseline promote x",),
    )
    text = comment(judged, beside)
    for said in (
        "- pinned anchor `v1`: 200 planned",
        "not scorable \u2192 0.5",
        "<pre>(empty)</pre>",
        "kappa 0.41 with 30 labels of people (not audited)",
        "- judge `k` of `accuracy`: nobody has compared it with people",
        "| cost | $0.05 | $0.00 | -$0.05 | $0.10 |",
        "| cost of judges | unknown | < $0.0001 | unknown | \u2013 |",
        "| latency p95 | 1 s | unknown \u26a0\ufe0f | unknown | 2 s |",
        "<b>Cost and time</b>: 1 over the limit",
        "- `other`: what 10 samples can see is unknown; seeing that takes 20 samples and costs about $1.50",
        "- `accuracy`: 10 samples x 2 repeats find a change for the worse of 5.0 points in 80 % of cases\n",
        "Accept the change:",
        "0 worse, 0 better of 200 pairs.\n",
    ):
        assert said in text, said
    grouped = verdict(
        one(accuracy(), difference(0.0, 0.01, groups=40, p_fail=None, paired=False, low=None, high=None)),
        one(Rule("latency_p95", mode="equivalence", margin=0.1, unit="s"), difference(0.0, 0.01, null=-0.1)),
    )
    assert ": 0.0 points, 200 unpaired samples in 40 groups, adjusted p 1.000; limit -2.0 points. All 2" in comment(
        grouped, evidence()
    )
    undecided = verdict(one(accuracy(), difference(0.0, 0.01, groups=4)))
    assert "200 paired samples in 4 groups; limit -2.0 points." in comment(undecided, evidence())
    floor = verdict(one(accuracy(mode="threshold", floor=0.8), difference(0.03, 0.01)))
    assert "`accuracy` 83.0 %, floor 80.0 %: +3.0 points" in comment(floor, evidence())
    cheap = comment(judged, evidence(spending=(Spending("cost", "usd", 0.05, 0.2, limit=1.0),)))
    assert "<b>Cost and time</b>: within the limits" in cheap
    assert "+$0.15" in cheap
    assert "+/- 0" not in cheap


def test_doubtful_judges_take_the_green_from_their_metrics_only() -> None:
    text = comment(*CASES["judged"]())
    assert "| \u26a0\ufe0f pass, judge not audited |" in text
    assert re.search(r"`accuracy` .* \| \u2705 pass \|", text)
    unknown = comment(CASES["judged"]()[0], evidence())
    assert "\u2705" not in unknown


def test_word_diff() -> None:
    assert word_diff("the red fox", "the blue fox") == "<pre>the <del>red</del><ins>blue</ins> fox</pre>"
    assert word_diff("same", "same") == "<pre>same</pre>"
    assert word_diff("", "new") == "<pre><ins>new</ins></pre>"
    assert word_diff("old", "") == "<pre><del>old</del></pre>"
    assert word_diff("", "") == "<pre>(empty)</pre>"
    assert word_diff("<b>", "</pre>") == "<pre>&lt;<del>b</del><ins>/pre</ins>&gt;</pre>"
    far = word_diff("a " * 300 + "x", "a " * 300 + "y")
    assert far.startswith("<pre>\u2026")
    assert far.endswith("<del>x</del><ins>y</ins></pre>")
    middle = word_diff("x" + " b" * 200 + " c", "y" + " b" * 200 + " d")
    assert " \u2026 " in middle


def test_inert_forms() -> None:
    assert code("plain_name [a:b]") == "`plain_name [a:b]`"
    assert code("a`b|c") == "<code>a&#96;b&#124;c</code>"
    assert code("  \n ") == "`(empty)`"
    assert html_code("<b>") == "<code>&#60;b&#62;</code>"
    assert html_code("") == "<code>&#40;empty&#41;</code>"
    assert prose("at worst 1.5 points worse, p < 0.001") == "at worst 1.5 points worse, p < 0.001"
    for linked in ("see www.example.com", "see GH-12", "commit 1a2b3c4d5e6f7a8b", "http://x", "snake _case_", "a@b"):
        assert prose(linked) == f"`{linked}`"
    assert prose("few_clusters: 3 groups") == "few_clusters: 3 groups"
    assert visible("a\u202eb\r\nc\td\u200d", 99) == "a\u27e6U+202E\u27e7b\nc\td\u200d"
    assert one_line("a\n\n b" * 50, 5) == "a b\u2026"
    assert fenced(["a ```` b", "c\nd"]) == "`````\na ```` b\nc d\n`````"
    assert link("Report", "https://x.example/a?b=1#c") == "[Report](https://x.example/a?b=1#c)"
    assert link("Report", "reports/index.html") == "Report: `reports/index.html`"
    for refused in (None, "", "javascript:alert(1)", "https://x/)[y](z", "https://x.example/ a"):
        assert link("Report", refused) == ""


def written() -> Any:
    """Write the golden files anew: python tests/gate/test_gate_comment.py, then read the difference."""
    for name, made in CASES.items():
        (GOLDEN / f"{name}.md").write_text(comment(*made()), "utf-8")


if __name__ == "__main__":
    written()
