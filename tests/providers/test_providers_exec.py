from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvloop

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Candidate, Closes, Sample, Tools
from evalkit.providers import exec as program

SAMPLE = Sample("s1", {"text": "hé"})
CTX = SimpleNamespace(repeat=2, seed=7)
ECHO = "import json, sys\nq = json.load(sys.stdin)\n"
LOOP = "import json, sys\nfor line in sys.stdin:\n    q = json.loads(line)\n    "


class OneBlob:
    def get(self, ref):
        if ref["$blob"] != "ab":
            raise KeyError(ref["$blob"])
        return b"picture"


def tools(root, **secrets):
    return Tools(str(root), OneBlob(), None, secrets.get)


def script(tmp_path, code, **options):
    (tmp_path / "bot.py").write_text(code)
    return program.make(tools(tmp_path, WORD="secret"), command=[sys.executable, "bot.py"], **options)


def ask(candidate, *samples, run=asyncio.run):
    async def asking():
        try:
            return [await candidate.answer(sample, CTX) for sample in samples or (SAMPLE,)]
        finally:
            await candidate.close()

    found = run(asking())
    return found if samples else found[0]


def alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def gone(pid):
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_json_in_json_out(tmp_path, run):
    candidate = script(
        tmp_path,
        ECHO + "print(json.dumps({'output': q, 'usage': {'requests': 2}, 'finish': 'length', 'model': 'm', 'p': 0.5}))",
    )
    found = ask(candidate, run=run)
    assert found.output == {"id": "s1", "input": {"text": "hé"}, "repeat": 2, "seed": 7}
    assert (found.usage, found.finish, found.model, found.meta) == ({"requests": 2}, Finish.LENGTH, "m", {"p": 0.5})
    assert found.seconds > 0
    assert isinstance(candidate, Candidate)
    assert isinstance(candidate, Closes)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print('plain tëxt')", "plain tëxt"),
        ("sys.stdout.write('two\\nlines\\n\\n')", "two\nlines\n"),
        ("print('[1, 2]')", "[1, 2]"),
        ("print('{\"label\": 3}')", '{"label": 3}'),
        ("print(json.dumps({'output': None}))", None),
        ("pass", ""),
    ],
)
def test_what_is_no_envelope_is_the_answer(tmp_path, code, output):
    found = ask(script(tmp_path, ECHO + code))
    assert (found.output, found.error) == (output, None)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('noise', file=sys.stderr); sys.exit(3)", r"ended with exit code 3: noise"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "ended with signal SIGTERM"),
        ("print(json.dumps({'error': 'no idea'}))", "no idea"),
        ("print(json.dumps({'output': 1, 'finish': 'bored'}))", "finish 'bored' is none of stop, length"),
        ("print(json.dumps({'output': 1, 'usage': [1]}))", "usage must be numbers by unit"),
        ("print(json.dumps({'output': 1, 'usage': {'requests': 'x'}}))", "usage must be numbers by unit"),
        ("sys.stdout.buffer.write(b'\\xff')", "codec can't decode"),
        ("sys.stderr.write('x' * 100000 + 'END'); sys.exit(1)", "xxEND$"),
    ],
)
def test_failures_are_the_candidates_own(tmp_path, code, said):
    found = ask(script(tmp_path, ECHO + code))
    assert found.error.kind is ErrorKind.CANDIDATE
    assert not found.error.retryable
    assert len(found.error.message) < 2200
    assert re.search(said, found.error.message)


def test_a_program_that_does_not_read_its_input(tmp_path):
    big = Sample("s1", {"text": "x" * 1_000_000})
    (found,) = ask(script(tmp_path, "print('done')"), big)
    assert found.output == "done"


def test_a_timeout_kills_the_whole_group(tmp_path):
    (tmp_path / "bot.sh").write_text("sleep 600 &\necho $$ $! > pids\nwait\n")
    candidate = program.make(tools(tmp_path), command=["sh", "bot.sh"], timeout_s=1.5)
    found = ask(candidate)
    assert (found.error.kind, found.error.message) == (
        ErrorKind.TIMEOUT,
        f"{candidate.name} gave no answer within 1.5 s and was killed",
    )
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_children_left_behind_are_killed(tmp_path):
    code = (
        "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\nprint(child.pid)"
    )
    assert gone(int(ask(script(tmp_path, code)).output))


def test_the_environment_is_minimal(tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEY_OF_SOMEBODY", "secret")
    code = ECHO + "import os; print(json.dumps({'output': dict(os.environ)}))"
    seen = ask(script(tmp_path, code, env=["WORD"])).output
    assert seen["WORD"] == "secret"
    assert set(seen) - {"LC_CTYPE", "PATH", "HOME", "LANG", "WORD", "__CF_USER_TEXT_ENCODING"} == set()


def test_stored_files_are_there_to_read_and_gone_afterwards(tmp_path):
    code = ECHO + "p = q['input']['images'][0]['path']; print(json.dumps({'output': [p, open(p).read()]}))"
    image = {"$blob": "ab", "type": "image/png"}
    sample = Sample("s1", {"images": [image]})
    first, again, missing = ask(script(tmp_path, code), sample, sample, Sample("s2", {"images": [{"$blob": "zz"}]}))
    assert first.output == again.output
    assert first.output[0].endswith("/ab.png")
    assert first.output[1] == "picture"
    assert not Path(first.output[0]).exists()
    assert "sample 's2' cannot be handed to" in missing.error.message


def test_what_is_no_json_is_not_sent(tmp_path):
    (found,) = ask(script(tmp_path, ECHO), Sample("s1", {"x": float("nan")}))
    assert "sample 's1' cannot be handed" in found.error.message


def test_one_process_answers_many(tmp_path):
    code = LOOP + "import os; print(json.dumps({'output': [q['id'], os.getpid()]}), flush=True)"
    candidate = script(tmp_path, code, persistent=True)
    samples = [Sample(f"s{n}", {}) for n in range(5)]

    async def together():
        found = await asyncio.gather(*(candidate.answer(sample, CTX) for sample in samples))
        await candidate.close()
        return found

    found = asyncio.run(together())
    assert [r.output[0] for r in found] == ["s0", "s1", "s2", "s3", "s4"]
    (pid,) = {r.output[1] for r in found}
    assert gone(pid)


def test_a_process_that_stays_is_started_again(tmp_path):
    (tmp_path / "bot.sh").write_text(
        'while read -r line; do case "$line" in\n*die*) echo bye >&2; exit 1;;\n*hang*) sleep 600;;\n*) echo ok;;\nesac; done'
    )
    candidate = program.make(tools(tmp_path), command=["sh", "bot.sh"], persistent=True, timeout_s=1.5)
    found = ask(candidate, *(Sample(i, {}) for i in ("a", "die", "b", "hang", "c")))
    assert [r.output for r in found] == ["ok", None, "ok", None, "ok"]
    assert "exit code 1 before it answered: bye" in found[1].error.message
    assert found[3].error.kind is ErrorKind.TIMEOUT


def test_a_process_that_does_not_want_to_end_is_killed(tmp_path):
    code = LOOP + "import os; print(os.getpid(), flush=True)\nimport time; time.sleep(600)"
    assert gone(int(ask(script(tmp_path, code, persistent=True)).output))


def test_fingerprint_follows_command_files_and_version(tmp_path):
    first = script(tmp_path, ECHO).fingerprint
    assert script(tmp_path, ECHO).fingerprint == first
    others = {
        script(tmp_path, ECHO + "# changed").fingerprint,
        script(tmp_path, ECHO, version=2).fingerprint,
        script(tmp_path, ECHO, persistent=True).fingerprint,
        script(tmp_path, ECHO, env=["WORD"]).fingerprint,
        program.make(tools(tmp_path), command=[sys.executable, "-O", "bot.py"]).fingerprint,
    }
    assert len(others | {first}) == 6
    assert script(tmp_path, ECHO, timeout_s=3, name="bot").fingerprint == first


def test_names(tmp_path):
    (tmp_path / "bot.sh").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "bot.sh").chmod(0o755)
    candidate = program.make(tools(tmp_path), "./bot.sh")
    assert candidate.name == "bot.sh"
    assert json.loads(ask(candidate).output)["id"] == "s1"
    assert program.make(tools(tmp_path), "cat", name="mirror").name == "mirror"


def test_a_file_that_is_no_program(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    found = ask(program.make(tools(tmp_path), "./notes.txt"))
    assert found.error.kind is ErrorKind.CANDIDATE
    assert "Permission denied" in found.error.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "`command` must be a list of words"),
        ({"command": ["a", 3]}, "`command` must be a list of words"),
        ({"command": ["evalkit-no-such-program"]}, "there is no program 'evalkit-no-such-program'"),
        ({"command": ["cat"], "timeout_s": 0}, "timeout_s must be above 0"),
        ({"command": ["cat"], "env": ["GONE"]}, "GONE is not set"),
        ({"comand": ["cat"]}, "did you mean 'command'"),
    ],
)
def test_refuses_and_says_why(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        program.make(tools(tmp_path), **options)


def test_nothing_of_this_process_is_in_the_group(tmp_path):
    assert int(ask(script(tmp_path, "import os; print(os.getpgid(0))")).output) != os.getpgid(0)
