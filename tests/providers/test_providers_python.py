from __future__ import annotations

import asyncio
import math
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Candidate, Closes, Response, Sample, Tools
from evalkit.providers import python

SAMPLE = Sample("s1", {"text": "hello"})
CTX = SimpleNamespace(repeat=2, seed=7)


def tools(root):
    return Tools(str(root), None, None, lambda name: None)


def ask(candidate, *samples):
    async def asking():
        try:
            return [await candidate.answer(sample, CTX) for sample in samples or (SAMPLE,)]
        finally:
            await candidate.close()

    found = asyncio.run(asking())
    return found if samples else found[0]


def of(function, **options):
    return python.make_from_callable(function, **options)


def shout(text):
    return text.upper()


async def later(sample, repeat, seed, ctx):
    await asyncio.sleep(0)
    return {"id": sample.id, "repeat": repeat, "seed": seed, "same": ctx is CTX}


def fails(sample):
    return 1 / 0


def test_sync_async_and_named_arguments():
    assert ask(of(shout)).output == "HELLO"
    assert ask(of(later)).output == {"id": "s1", "repeat": 2, "seed": 7, "same": True}
    assert ask(of(lambda sample: later(sample, 1, 2, CTX))).output["repeat"] == 1
    assert isinstance(of(shout), Candidate)
    assert isinstance(of(shout), Closes)


def test_a_callable_object_may_be_async():
    class Bot:
        async def __call__(self, sample):
            return sample.id

    assert ask(of(Bot(), version=1)).output == "s1"


def test_sync_functions_run_beside_the_loop():
    seen = []
    ask(of(lambda sample: seen.append(threading.current_thread()) or ""))
    assert seen[0] is not threading.main_thread()


def test_threads_run_at_once():
    barrier = threading.Barrier(3)

    def meet(sample):
        barrier.wait(10)
        return sample.id

    async def together():
        candidate = of(meet)
        samples = [Sample(f"s{n}", {}) for n in range(3)]
        found = await asyncio.gather(*(candidate.answer(sample, CTX) for sample in samples))
        await candidate.close()
        return found

    assert [r.output for r in asyncio.run(together())] == ["s0", "s1", "s2"]


def test_returned_responses_and_values():
    assert ask(of(lambda sample: Response(output="x", usage={"requests": 3}, seconds=9.0))) == Response(
        output="x", usage={"requests": 3}, seconds=9.0
    )
    assert ask(of(lambda sample: Response(output="x"))).seconds >= 0
    assert ask(of(lambda sample: np.array([1.5, 2]))).output == [1.5, 2.0]
    assert ask(of(lambda sample: np.float32(0.5))).output == 0.5
    assert ask(of(lambda sample: [1, None, {"a": True}])).output == [1, None, {"a": True}]
    for bad in (math.nan, object(), {1.5: object()}):
        failed = ask(of(lambda sample, bad=bad: bad)).error
        assert failed.kind is ErrorKind.CANDIDATE


def test_errors_name_type_message_and_line():
    failed = ask(of(fails))
    line = fails.__code__.co_firstlineno + 1
    assert failed.error.kind is ErrorKind.CANDIDATE
    assert failed.error.message == f"ZeroDivisionError: division by zero (test_providers_python.py:{line})"
    assert failed.seconds >= 0

    def leaves(sample):
        raise SystemExit(3)

    assert ask(of(leaves)).error.message.startswith("SystemExit: 3")


def test_a_missing_text_says_which_fields_there_are():
    (failed,) = ask(of(shout), Sample("s9", {"question": "?"}))
    assert "`text`, which sample 's9' does not have (fields: question)" in failed.error.message


def test_timeouts():
    async def sleeps(sample):
        await asyncio.sleep(60)

    async def times_out(sample):
        raise TimeoutError("mine")

    failed = ask(of(sleeps, timeout_s=0.01))
    assert (failed.error.kind, failed.error.message) == (ErrorKind.TIMEOUT, "sleeps took longer than 0.01 s")
    for candidate in (of(times_out), of(times_out, timeout_s=60)):
        assert ask(candidate).error.kind is ErrorKind.CANDIDATE


def test_fingerprint_is_the_declared_version_then_the_source():
    assert of(shout).fingerprint == of(shout).fingerprint
    assert of(shout).fingerprint != of(fails).fingerprint
    assert of(shout, version=1).fingerprint == of(shout, version="1").fingerprint != of(shout, version=2).fingerprint

    def marked(sample):
        return ""

    marked.__evalkit_version__ = 3
    assert of(marked).fingerprint == of(marked, version=3).fingerprint


def test_hidden_state_is_never_reused():
    hidden = 3

    class Bot:
        def method(self, sample):
            return ""

        def __call__(self, sample):
            return ""

    namespace = {"__name__": "typed_into_a_shell"}
    exec("def typed(sample): return ''", namespace)
    for function in (lambda sample: hidden, Bot().method, Bot(), partial(later, repeat=1), namespace["typed"], len):
        assert of(function).fingerprint != of(function).fingerprint
        assert of(function, version=1).fingerprint == of(function, version=1).fingerprint


def test_loads_files_and_modules(tmp_path):
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "a.py").write_text(
        "class Bot:\n    @staticmethod\n    def say(text):\n        return text * 2\n"
    )
    (tmp_path / "evalkit_test_bot.py").write_text("async def say(text):\n    return text * 3\n")
    by_file = python.make(tools(tmp_path), "bots/a.py:Bot.say")
    assert (by_file.name, ask(by_file).output) == ("bots/a.py:Bot.say", "hellohello")
    by_module = python.make(tools(tmp_path), function="evalkit_test_bot:say", name="tripler", threads=1)
    assert (by_module.name, by_module.threads, ask(by_module).output) == ("tripler", 1, "hellohellohello")


def test_the_source_of_imported_files_counts(tmp_path):
    def fingerprint(word):
        (tmp_path / "evalkit_test_helper.py").write_text(f"WORD = {word!r}\ndef word():\n    return WORD\n")
        (tmp_path / "bot.py").write_text(
            "import json, numpy\nfrom evalkit.core.types import Response\nimport evalkit_test_helper as helper\n"
            "def say(sample):\n    return helper.word()\n"
        )
        candidate = python.make(tools(tmp_path), "bot.py:say")
        python.sys.modules.pop("evalkit_test_helper")
        python.inspect.linecache.clearcache()
        return candidate.fingerprint

    python.sys.path.insert(0, str(tmp_path))
    try:
        assert fingerprint("a") == fingerprint("a") != fingerprint("b")
    finally:
        python.sys.path.remove(str(tmp_path))


def test_modules_that_import_each_other(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evalkit_test_one.py").write_text("import evalkit_test_two\ndef say(sample):\n    return ''\n")
    (tmp_path / "evalkit_test_two.py").write_text("import evalkit_test_one\n")
    first = python.make(tools(tmp_path), "evalkit_test_one:say").fingerprint
    assert python.make(tools(tmp_path), "evalkit_test_one:say").fingerprint == first


def test_without_its_source_a_module_is_never_reused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evalkit_test_void.py").write_text("def say(sample):\n    return ''\n")
    python.make(tools(tmp_path), "evalkit_test_void:say")
    (tmp_path / "evalkit_test_void.py").unlink()
    python.inspect.linecache.clearcache()
    again = [python.make(tools(tmp_path), "evalkit_test_void:say").fingerprint for _ in range(2)]
    assert again[0] != again[1]


def test_module_version_is_found(tmp_path):
    (tmp_path / "bot.py").write_text("__evalkit_version__ = 4\ndef say(sample):\n    return ''\n")
    first = python.make(tools(tmp_path), "bot.py:say").fingerprint
    with (tmp_path / "bot.py").open("a") as file:
        file.write("# changed\n")
    assert python.make(tools(tmp_path), "bot.py:say").fingerprint == first


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "say which function"),
        ("bot.py", "write module:function"),
        ("bot.py:", "write module:function"),
        ("gone.py:say", "there is no file"),
        ("bot.py:sai", "bot.py has no 'sai'; did you mean 'say'"),
        ("bot.py:zzzzzz", "bot.py has no 'zzzzzz'$"),
        ("broken.py:say", r"broken.py cannot be loaded: NameError.*\(broken.py:2\)"),
        ("evalkit_gone:say", "module 'evalkit_gone' cannot be loaded: ModuleNotFoundError"),
        ("bot.py:nothing", "nothing takes no argument"),
        ("bot.py:NUMBER", "bot.py:NUMBER is not callable"),
    ],
)
def test_refuses_and_says_why(tmp_path, target, said):
    (tmp_path / "bot.py").write_text("NUMBER = 3\ndef say(sample): ...\ndef nothing(): ...\n")
    (tmp_path / "broken.py").write_text("\nundefined\n")
    with pytest.raises((ValueError, TypeError), match=said):
        python.make(tools(tmp_path), target)


def test_only_callables():
    with pytest.raises(TypeError, match="3 is not callable"):
        of(3)
    with pytest.raises(ValueError, match="unknown option 'verison'"):
        python.make(tools("."), "a:b", verison=1)
