"""Programs in answers: finding them, running them, comparing what they give, and what is wrong when they cannot be run."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.errors import Finish
from evalkit.core.types import Response, Sample
from evalkit.sandbox.sandbox import Ran, Sandbox, SandboxFailed
from evalkit.scorers import _code_driver, _code_running, _code_tests, _lint_driver
from evalkit.scorers._code_answer import Code, code_of, fenced
from evalkit.scorers._code_tests import Equality

SANDBOX = Sandbox()
ADD = {"tests": [{"input": f"{a} {b}\n", "output": f"{a + b}\n"} for a, b in ((1, 2), (3, 4), (9, -9))]}
TWICE = {"function": "twice", "tests": [{"args": [n], "value": 2 * n} for n in (1, 2, 3)]}


class Context:
    def __init__(self, sandbox=SANDBOX):
        self.sandbox = sandbox


def score(program, target=ADD, spec="tests_pass(cpu_s=0.5)", ctx=None):
    scorer = registry.make("scorers", spec)
    response = program if isinstance(program, Response) else Response(output=f"```python\n{program}\n```")
    return asyncio.run(scorer.score(Sample("s", {}, target), (response,), ctx or Context()))


def main(*args, **more):
    return next(iter(score(*args, **more).values()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```python\na\n```", "a"),
        ("```py\na\n```\nand\n```PYTHON3\nb\n```", "b"),
        ("```\na\n```", "a"),
        ("```python\na\n```\nIt prints\n```\n42\n```", "a"),
        ("```text\nno\n```\n```python\na\n```\n```bash\nrm\n```", "a"),
        ("~~~python\na\n```\nb\n~~~", "a\n```\nb"),
        ("````python\n```\n````", "```"),
        ("1. Do it:\n   ```python\n   def f():\n       pass\n   ```", "def f():\n    pass"),
        ("```python\na\nb", "a\nb"),
        ("```python title=x.py\na\n```", "a"),
        ("<think>```python\nbad\n```</think>```python\na\n```", "a"),
        ("no code here", "no code here"),
    ],
)
def test_where_the_program_is(text, found):
    code, reason = code_of(Response(output=text))
    assert (code.text, reason) == (found, None)
    assert code.whole == ("`" not in text and "~" not in text)


def test_the_block_that_defines_the_function_counts():
    text = "```python\ndef f():\n    return 1\n```\n```python\ndef f():\n    return 2\n```\n```python\nprint(f())\n```"
    assert code_of(Response(output=text), "f")[0].text == "def f():\n    return 2"
    assert code_of(Response(output=text))[0].text == "print(f())"
    assert code_of(Response(output=text), "g")[0].text == "print(f())"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(output="```java\nx\n```\n```rust\ny\n```"), "no Python block, only java, rust"),
        (Response(output="```python\n\n```"), "the block is empty"),
        (Response(output="  "), "the answer is empty"),
        (Response(output="```python\n", finish=Finish.LENGTH), "the block is empty (the answer was cut off"),
        (Response(output="x = 1\n" * 30_000), "180,000 characters are more than 100,000"),
        (Response(output="print('\ud800')"), "lone surrogates"),
        (Response(output="<think>hm"), "unclosed think block"),
    ],
)
def test_no_program_has_a_reason(response, reason):
    code, why = code_of(response)
    assert code is None
    assert reason in why
    scores = score(response)
    assert {one.value for one in scores.values()} == {None}
    assert all(reason in one.reason for one in scores.values())


@given(
    st.lists(st.sampled_from(["```python", "```", "~~~", "x = 1", "", "   ```", "````", "text ``` here"]), max_size=12)
)
@settings(max_examples=50, deadline=None)
def test_any_mixture_of_fences_is_read(lines):
    text = "\n".join(lines)
    blocks = list(fenced(text))
    assert sum(body.count("x = 1") for _, body in blocks) <= text.count("x = 1")
    code, reason = code_of(Response(output=text))
    assert (code is None) == bool(reason)


@pytest.mark.parametrize("said", ["Sorry, no.", "42", "answer", "x, y", "a.b", "not x", "{}", "1 + 1"])
def test_prose_is_no_program(said):
    assert main(Response(output=said)).value is None
    assert "no code" in main(Response(output=said)).reason


def test_a_program_without_a_fence_counts():
    assert main(Response(output="print(sum(map(int, input().split())))")).value == 1


@pytest.mark.parametrize(
    ("program", "kind", "why"),
    [
        ("print(int(input().split()[5]))", "runtime error", "IndexError: list index out of range (line 1)"),
        ("def f():\n    f()\nf()", "runtime error", "RecursionError"),
        ("x = [0] * 10**10", "runtime error", "MemoryError"),
        ("raise SystemExit('no')", "runtime error", "SystemExit: it ended with 'no'"),
        ("import os\nos.abort()", "runtime error", "killed by signal 6"),
        ("import os\nos._exit(9)", "runtime error", "exit code 9"),
        ("class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E", "runtime error", "E: "),
        ("while True:\n    pass", "timeout", "it computed for"),
        ("import time\ntime.sleep(99)", "timeout", "it waits"),
        ("while True:\n    print('x' * 999)", "too much output", ""),
        ("print(7)", "wrong answer", "'7' is not '3'"),
        ("", "wrong answer", "0 words instead of 1"),
        ("print('3 4')", "wrong answer", "2 words instead of 1"),
        ("import sys\nsys.stdout.close()", "wrong answer", "0 words"),
        ("import atexit, os\natexit.register(os._exit, 0)\nprint(3)", "wrong answer", ""),
        ("print(open('/proc/self/cmdline').read().count('3'), '\\x1b[31m\\0')", "wrong answer", ""),
    ],
)
def test_kinds_of_failure(program, kind, why):
    found = main(program or "pass")
    assert found.value == 0
    assert found.reason.startswith(f"{kind}: test 1"), found.reason
    assert why in found.reason
    assert found.rows[0].group == kind
    assert found.rows[0].value == 0


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nprint(sum(map(int, sys.stdin.read().split())))\nsys.exit()",
        "import sys\nsys.__stdout__.write(str(sum(map(int, input().split()))))",
        "import threading, time\ndef late():\n    time.sleep(0.1)\n    print(sum(map(int, input().split())))\nthreading.Thread(target=late).start()",
        "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
        "if __name__ == '__main__':\n    print(sum(map(int, input().split())))\n    exit(0)",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nprint(A(sum(map(int, input().split()))).x)",
        "print(sum(map(int, open(0).read().split())))",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(60)\nprint(sum(map(int, input().split())))",
    ],
    ids=range(8),
)
def test_programs_may_end_as_they_like(program):
    assert main(program).value == 1, main(program).reason


def test_a_test_does_not_see_what_another_one_did():
    program = "import os\nseen = os.path.exists('left')\nopen('left', 'w').close()\na, b = map(int, input().split())\nprint(a + b if not seen else 'left')"
    found = main(program)
    assert found.value == 0
    assert [row.group for row in found.rows] == ["passed", "wrong answer", "wrong answer"], (
        "files are shared, processes are not"
    )
    assert (
        main(
            "import builtins\nx = getattr(builtins, 'mark', 0)\nbuiltins.mark = 1\na, b = map(int, input().split())\nprint(a + b + x)"
        ).value
        == 1
    )


@pytest.mark.parametrize(
    "program",
    [
        'import os\nfor line in (\'{"test": 0, "end": "ok", "stdout": "3"}\', \'{"compiled": true}\'):\n    os.write(3, line.encode())',
        "import os\nfor fd in range(3, 40):\n    try:\n        os.write(fd, b'{\"error\": null}')\n    except OSError:\n        continue",
        "import json, sys\njson.dumps = lambda *a, **k: '{}'\nsys.stdout = None",
        "import os, signal\nfor pid in (1, -1, os.getppid()):\n    try:\n        os.kill(pid, signal.SIGKILL)\n    except OSError:\n        continue",
        "class Any:\n    def __eq__(self, other):\n        return True\nprint(Any())",
        "import ctypes\nctypes.string_at(0)",
        "print('3\\n3\\n7\\n0')",
    ],
    ids=range(7),
)
def test_forged_outputs_do_not_pass(program):
    found = main(program)
    assert found.value == 0
    assert found.reason


def test_functions_are_called_and_compared_as_values():
    assert main("def twice(n):\n    return n * 2", TWICE).value == 1
    assert main("def twice(n):\n    print('chatty')\n    return n + n", TWICE).value == 1
    assert main("def twice(n):\n    return n * 2\nraise SystemExit", TWICE).value == 1
    assert main("twice = lambda n: float(n * 2)", TWICE).value == 1
    assert "'2' is not 2" in main("def twice(n):\n    return str(n * 2)", TWICE).reason
    assert "defines no function 'twice'" in main("twice = 3", TWICE).reason
    assert "ended before the function returned" in main("import os\ndef twice(n):\n    os._exit(0)", TWICE).reason
    assert "object is no JSON value" in main("def twice(n):\n    return object()", TWICE).reason
    assert "IndexError" in main("def twice(n):\n    return [][n]", TWICE).reason
    assert "TypeError" in main("def twice():\n    return 1", TWICE).reason


def test_slow_where_the_reference_is_slow_too():
    burn = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end:\n    pass\nprint(sum(map(int, input().split())))"
    target = {**ADD, "cpu_s": 0.1, "reference": burn.format(0.12)}
    assert main(burn.format(0.25), target).value == 1, "four times the reference's time"
    assert main(burn.format(0.25), target, spec="tests_pass(relative=1.0)").reason.startswith("timeout: ")
    assert main(burn.format(0.25), {**target, "reference": "print()"}).reason.startswith("timeout: ")
    kinds = [row.group for row in main(burn.format(0.25), {**ADD, "cpu_s": 0.1}, spec="tests_pass(give_up=2)").rows]
    assert kinds == ["timeout", "timeout", "not run"]


class Scripted:
    """A sandbox that says what a test wants it to say."""

    python = "python"

    def __init__(self, *runs):
        self.runs, self.asked = list(runs), []

    async def run(self, argv, *, files, stdin, limits):
        self.asked.append(json.loads(stdin))
        run = self.runs.pop(0)
        if isinstance(run, Exception):
            raise run
        lines, killed, code = run
        return Ran(code, "\n".join(map(json.dumps, lines)).encode(), b"", 1.0, 1.0, killed)


HEAD = {"compiled": True}


def done(number, stdout):
    return {"test": number, "end": "ok", "stdout": stdout, "seconds": 0.01, "code": 0}


def test_a_busy_machine_gets_a_second_chance():
    stuck = {"test": 1, "end": "stuck", "seconds": 0.2}
    sandbox = Scripted(([HEAD, done(0, "3"), stuck], None, 0), ([HEAD, done(1, "7"), done(2, "0")], None, 0))
    assert main("print('second chance')", ctx=Context(sandbox)).value == 1
    assert [asked["which"] for asked in sandbox.asked] == [[0, 1, 2], [1, 2]]
    assert sandbox.asked[1]["wall_s"] > sandbox.asked[0]["wall_s"]


def test_waiting_gets_no_second_chance():
    sandbox = Scripted(([HEAD, {"test": 0, "end": "waiting", "seconds": 0.0}], None, 0))
    assert "it waits" in main("print('waits')", ctx=Context(sandbox)).reason
    assert len(sandbox.asked) == 1


def test_a_broken_sandbox_is_no_wrong_answer():
    with pytest.raises(SandboxFailed, match="no more namespaces"):
        score("print('broken')", ctx=Context(Scripted(SandboxFailed("no more namespaces"))))


@pytest.mark.parametrize(
    ("killed", "kind"),
    [
        ("memory", "runtime error: test 2: out of memory"),
        ("output", "too much output: test 2"),
        ("time", "timeout: test 2"),
    ],
)
def test_a_sandbox_that_was_stopped_fails_the_test_it_was_at(killed, kind):
    found = main(f"print('{killed}')", ctx=Context(Scripted(([HEAD, done(0, "3")], killed, None))))
    assert found.reason.startswith(kind)
    assert "(1 of 3 tests fail, 1 not run)" in found.reason


def test_a_compiler_that_dies_is_a_syntax_error():
    found = main("print('dies')", ctx=Context(Scripted(([], None, 139))))
    assert found.reason == "syntax error: the compiler gave up on it (exit code 139)"


def test_lines_that_cannot_be_read_are_not_there():
    head, said = _code_running._heard(
        b'noise\n[1]\n{"compiled": true}\n{"test": 0, "end": "ok"}\n{"test": 0, "end": "forged"}\n{"test": "x", "end": "ok"}\n{"no_code": "late"}\n'
        + b"[" * 100_000
    )
    assert head == {"compiled": True}
    assert said == {0: {"test": 0, "end": "ok"}}


def test_scorers_of_one_suite_share_a_run():
    program, ctx = (
        "print('shared by three')",
        Context(Scripted(([HEAD, done(0, "3"), done(1, "7"), done(2, "0")], None, 0))),
    )
    for spec, name in (("tests_pass", "tests_pass"), ("pass@1", "pass@1"), ("pass@5", "pass@5")):
        assert score(program, spec=spec, ctx=ctx)[name].value == 1
    assert len(ctx.sandbox.asked) == 1


def test_old_runs_are_forgotten(monkeypatch):
    monkeypatch.setattr(_code_running, "_RECENT", 1)
    monkeypatch.setattr(_code_running, "_RECENTLY", type(_code_running._RECENTLY)())
    for number in range(3):
        main(f"print({number})", ctx=Context(Scripted(([HEAD], None, 0))))
    assert len(_code_running._RECENTLY) == 1


def test_inputs_are_given_and_outputs_never():
    sandbox = Scripted(([HEAD], None, 0))
    main(
        "print('asks')",
        {"tests": [{"input": "in", "output": "a-secret-output"}], "reference": "a-secret-reference"},
        ctx=Context(sandbox),
    )
    said = json.dumps(sandbox.asked)
    assert "secret" not in said
    assert '"in"' in said


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "a target with tests is needed"),
        ({"tests": []}, "a target with tests is needed"),
        ({"tests": [{"input": "x"}]}, "test 1 of the target must have 'input' and 'output'"),
        ({"tests": [{"input": "x", "output": 3}]}, "must be texts"),
        ({"tests": [{"args": [], "value": 1}]}, "'input' and 'output'"),
        ({"function": "f", "tests": [{"args": 3, "value": 1}]}, "a list of arguments"),
        ({"function": 3, "tests": [{"args": [3], "value": 1}]}, "'function' of the target must be str"),
        ({**ADD, "cpu_s": True}, "'cpu_s' of the target must be int or float"),
        ({**ADD, "cpu_s": 0}, "cpu_s=0 of the target must be seconds"),
        ({**ADD, "reference": 3}, "'reference' of the target must be str"),
    ],
)
def test_a_target_that_cannot_be_run_is_found_before(target, words):
    scorer = registry.make("scorers", "tests_pass")
    assert words in scorer.problem(Sample("s", {}, target))
    with pytest.raises(ValueError, match=r"of the target|a target with"):
        _code_tests.tests_of(Sample("s", {}, target))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("tests_pass(compare='fuzzy')", "compare='fuzzy' is unknown"),
        ("tests_pass(rtol=-1)", "rtol=-1 must be"),
        ("tests_pass(cpu_s=0)", "cpu_s=0 must be"),
        ("tests_pass(memory_mb='1G')", "memory_mb='1G'"),
        ("pass@0", "k=0"),
        ("pass(k=True)", "k=True"),
        ("tests_pass(k=2)", "unknown option 'k'"),
    ],
)
def test_options_that_make_no_sense(spec, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        registry.make("scorers", spec)


@pytest.mark.parametrize(
    ("got", "wanted", "equal"),
    [
        (1, 1.0, True), (1.0000001, 1, True), (1.1, 1, False), (True, 1, False), (1, True, False), (True, 1.0, False), ("1", 1, False),
        ([1, [2.0]], [1, [2]], True), ([1], [1, 2], False), ({"a": 1}, {"a": 1.0}, True), ({"a": 1}, {"b": 1}, False), (None, None, True), (None, 0, False),
        (math.nan, math.nan, True), (math.inf, math.inf, True), (-math.inf, math.inf, False), (1e300, 1e300 * (1 + 1e-9), True), ("a", "a", True), ([], {}, False),
    ],
)  # fmt: skip
def test_values_are_equal(got, wanted, equal):
    assert (Equality().difference(got, wanted, written=False) is None) == equal


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_every_value_is_equal_to_itself(value):
    assert Equality().difference(value, value, written=False) is None
    assert Equality().difference([value], [value, value], written=False) is not None


@given(st.text(alphabet="ab 1.\n", max_size=30), st.sampled_from(["tokens", "lines", "exact"]))
@settings(max_examples=50, deadline=None)
def test_every_text_is_equal_to_itself(text, rule):
    assert Equality(rule).difference(text, text, written=True) is None
    assert Equality(rule).difference(text + " b", text + " a", written=True) is not None


def test_whole_numbers_are_compared_exactly_and_others_nearly():
    difference = Equality(rtol=0.01, atol=0.0).difference
    assert difference("100", "101", written=True)
    assert difference("1e2", "100", written=True)
    assert difference("100.5", "101.0", written=True) is None
    assert difference("98.9", "100.0", written=True)
    assert difference("x", "1.5", written=True)


def test_lint_without_pyflakes_is_said(monkeypatch):
    import importlib.util

    from evalkit.scorers import lint

    scorer = registry.make("scorers", "lint")
    assert scorer.unavailable() is None
    lint._pyflakes.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "evalkit[code]" in scorer.unavailable()
    lint._pyflakes.cache_clear()


def test_lint_of_prose_and_of_what_does_not_compile():
    assert main(Response(output="I would rather not."), spec="lint").reason.startswith("no code: ")
    assert main("print(", spec="lint").reason == "line 1: '(' was never closed"
    assert main("-" * 90_000 + "1", spec="lint").rows[0].group == "MemoryError"
    assert main("+".join(["x"] * 20_000), spec="lint").rows[0].group == "RecursionError"


@pytest.mark.parametrize(
    ("ran", "what"), [(Ran(None, b"", b"", 1, 1, "time"), "time"), (Ran(139, b"", b"", 1, 1), "exit code 139")]
)
def test_a_linter_that_dies_is_a_finding(ran, what):
    class Dead:
        python = "python"

        async def run(self, argv, **options):
            return ran

    assert what in main("print(1)", spec="lint", ctx=Context(Dead())).reason


def test_a_linter_that_fails_is_no_finding():
    class Broken:
        python = "python"

        async def run(self, argv, **options):
            return Ran(1, b"", b"Traceback\nImportError: no pyflakes", 1, 1)

    with pytest.raises(Exception, match="ImportError: no pyflakes"):
        score("print(1)", spec="lint", ctx=Context(Broken()))


def test_lint_cases_are_what_pyflakes_says(tmp_path):
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, root / "scripts/make_lint_cases.py", tmp_path], check=True)
    assert json.loads((tmp_path / "lint.json").read_text()) == json.loads(
        (root / "tests/cases/scorers/lint.json").read_text()
    )


def request_of(program, **more):
    return {
        "program": program,
        "whole": False,
        "tests": ["1 2\n"],
        "which": [0],
        "cpu_s": 5.0,
        "wall_s": 20.0,
        "output_bytes": 10_000,
        "give_up": 1,
        **more,
    }


def driven(program, tmp_path, **more):
    """The driver as a program of its own, outside of a sandbox: only for programs of this file."""
    ran = subprocess.run(
        [sys.executable, _code_driver.__file__], input=json.dumps(request_of(program, **more)).encode(), capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_driver_outside_of_a_sandbox(tmp_path):
    head, found = driven("print(input())", tmp_path)
    assert head == {"compiled": True}
    assert (found["end"], found["stdout"], found["code"]) == ("ok", "1 2\n", 0)
    assert driven("print(1)", tmp_path, whole=True)[1]["stdout"] == "1\n"
    assert driven("word", tmp_path, whole=True) == [{"no_code": "the answer is no program"}]
    assert "SyntaxError" in driven("print(", tmp_path)[0]["syntax"]
    assert "null bytes" in driven("a\0", tmp_path)[0]["syntax"]
    assert driven("raise KeyError('x')", tmp_path)[1]["error"] == "KeyError"
    assert driven("while True: pass", tmp_path, cpu_s=0.2)[1]["end"] == "timeout"
    assert driven("import time\ntime.sleep(9)", tmp_path, wall_s=0.2)[1]["end"] == "waiting"
    assert driven("print('x' * 99999)", tmp_path)[1]["end"] == "output"
    assert driven("def f(a, b):\n    return [a, (b,)]", tmp_path, function="f", tests=[[1, 2]])[1]["value"] == [1, [2]]
    assert len(driven("while True: pass", tmp_path, cpu_s=0.1, tests=["", ""], which=[0, 1])) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_linting_driver_in_this_process():
    assert _lint_driver.findings("import os\n") == [(1, "UnusedImport", "'os' imported but unused")]
    assert _lint_driver.findings("x = (")[0][1] == "SyntaxError"
    assert _lint_driver.findings("x = 1") == []


def test_code_knows_where_it_came_from():
    assert Code("x") == Code("x", whole=False)


def child(program, **more):
    """A test of the driver in this process, without its streams."""
    code, refusal = _code_driver.compiled(program, whole=False)
    assert refusal is None
    return _code_driver._Test(code, request_of(program, **more), 0)


def test_what_a_child_executes(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    function = {"function": "f", "tests": [[3]]}
    assert child("x = 1")._execute() == {}
    assert child("def f(n):\n    return (n,)", **function)._execute() == {"value": [3]}
    assert child("def f(n):\n    return n\nraise SystemExit", **function)._execute() == {"value": 3}
    assert child("x = 1", **function)._execute()["error"] == "NameError"
    assert "no JSON value" in child("def f(n):\n    return {n}", **function)._execute()["unwritable"]
    with pytest.raises(SystemExit) as stopped:
        child("raise SystemExit(3)")._execute()
    assert _code_driver._exited(stopped.value) == {"error": "SystemExit", "message": "it ended with 3"}
    assert _code_driver._exited(SystemExit()) == {}
    with pytest.raises(ZeroDivisionError) as error:
        child("x = 1\ny = x / 0")._execute()
    assert _code_driver._described(error.value) == {
        "error": "ZeroDivisionError",
        "message": "division by zero",
        "line": 2,
    }
    assert child("x = 1")._stdin() == b"1 2\n"
    assert child("x = 1", tests=[[1]])._stdin() == b""


def test_how_a_child_ended():
    assert _code_driver._ending({}, 0) == "ok"
    assert _code_driver._ending({}, -9) == "error"
    assert _code_driver._ending({"error": "E"}, 0) == "error"
    assert _code_driver._loads(bytearray(b"[1]")) == {}
    assert _code_driver._loads(bytearray(b"{")) == {}
    assert _code_driver._loads(bytearray(b'{"value": 1, "forged": 2}')) == {"value": 1}
    assert _code_driver._cpu_s(2**22 + 1) == 0.0


def test_the_linting_driver_as_a_program(tmp_path):
    ran = subprocess.run(
        [sys.executable, _lint_driver.__file__], input=b"print(x)", capture_output=True, check=True, cwd=tmp_path
    )
    assert json.loads(ran.stdout) == [[1, "UndefinedName", "undefined name 'x'"]]
