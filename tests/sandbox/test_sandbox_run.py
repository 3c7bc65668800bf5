from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from evalkit.core.errors import MissingComponent
from evalkit.sandbox import _bubblewrap, _following, _interpreter, _local, _seccomp, _switches, _tree
from evalkit.sandbox.sandbox import Limits, Sandbox, SandboxFailed

ROOT = Path(__file__).parents[2]
SANDBOX = Sandbox()
PLENTY = Limits(wall_s=60, cpu_s=30)


def run(program, sandbox=SANDBOX, **options):
    options.setdefault("limits", PLENTY)
    return asyncio.run(sandbox.run([sandbox.python, "-s", "-S", "-c", program], **options))


@pytest.fixture
def local(monkeypatch):
    """A sandbox on a machine where nothing isolates, whose user insists."""
    monkeypatch.setattr(_bubblewrap, "missing", lambda: "install bubblewrap (Debian: bubblewrap)")
    return Sandbox(unsafe_local=True)


def test_it_is_available_here():
    assert SANDBOX.available() is None
    assert SANDBOX.isolated
    assert SANDBOX.warning is None
    assert Sandbox(unsafe_local=True).warning is None, "where bubblewrap works it is used, whatever was typed"


SWITCHED = [
    ({"kernel/apparmor_restrict_unprivileged_userns": "1\n"}, False, "kernel.apparmor_restrict_unprivileged_userns=0"),
    ({"kernel/apparmor_restrict_unprivileged_userns": "1\n"}, True, "--privileged"),
    ({"kernel/apparmor_restrict_unprivileged_userns": "0\n"}, False, "--privileged"),
    ({"user/max_user_namespaces": "0\n"}, True, "user.max_user_namespaces=15000"),
    ({"user/max_user_namespaces": "many"}, False, "--privileged"),
    ({"kernel/unprivileged_userns_clone": "0\n"}, False, "kernel.unprivileged_userns_clone=1"),
    ({"kernel/unprivileged_userns_clone": "0\n"}, True, "--privileged"),
    ({}, False, "--privileged"),
]


@pytest.mark.parametrize(("switches", "root", "told"), SWITCHED)
def test_what_forbids_namespaces_is_named_with_its_remedy(tmp_path, switches, root, told):
    for name, value in switches.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(value, "ascii")
    assert told in _switches.forbidden(tmp_path, root=root)


def test_bubblewrap_that_may_make_no_namespace_is_told_from_one_that_is_absent():
    # In a namespace of its own whose limit is 0, as on a machine where they are switched off.
    script = (
        "from pathlib import Path\n"
        "from evalkit.sandbox.sandbox import Sandbox\n"
        "Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "sandbox = Sandbox()\n"
        "print(sandbox.isolated, sandbox.available(), Sandbox(unsafe_local=True).warning, sep='\\n')\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert said[0] == "False"
    assert said[1].startswith("bubblewrap is installed but does not work here: ")
    assert said[1].endswith("user namespaces are switched off: `sudo sysctl -w user.max_user_namespaces=15000`")
    assert "WITHOUT isolation" in said[2]


def test_a_processor_without_a_filter_is_told(monkeypatch):
    monkeypatch.setattr(_seccomp, "program", lambda: None)
    assert "without a filter of system calls" in Sandbox().warning


def test_what_a_program_says_and_how_it_ends():
    ran = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")
    assert (ran.exit_code, ran.stdout, ran.stderr, ran.killed) == (3, b"out\n", b"err\n", None)
    assert 0 < ran.seconds < 60
    assert 0 < ran.cpu_s < 60


def test_input_and_files():
    files = {"a.txt": b"one", "deep/er/b.bin": bytes(range(256)), "empty": b""}
    ran = run(
        "import os, sys\nprint(sys.stdin.read())\nprint(open('a.txt').read(), len(open('deep/er/b.bin', 'rb').read()), os.path.getsize('empty'))\n"
        "open('mine', 'w').write('x')\nprint(sorted(os.listdir()), os.getcwd())",
        files=files,
        stdin="grüße".encode(),
    )
    assert ran.stdout.decode() == "grüße\none 256 0\n['a.txt', 'deep', 'empty', 'mine'] /tmp\n"


def test_a_large_input_comes_whole():
    assert run("import sys\nprint(len(sys.stdin.buffer.read()))", stdin=bytes(5_000_000)).stdout == b"5000000\n"


def test_much_output_on_both_streams_comes_whole():
    ran = run(
        "import sys\nfor _ in range(300):\n    sys.stdout.write('o' * 1000)\n    sys.stderr.write('e' * 1000)",
        limits={"output_bytes": 300_000, "wall_s": 60},
    )
    assert (ran.killed, len(ran.stdout), len(ran.stderr)) == (None, 300_000, 300_000)


def test_one_byte_more_is_too_much():
    ran = run("print('x' * 1000, end='')", limits=Limits(output_bytes=999))
    assert (ran.killed, ran.exit_code, ran.stdout) == ("output", None, b"x" * 999)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a//b", "./a", "a/", "a\0b"])
def test_a_file_stays_in_the_folder(name):
    with pytest.raises(ValueError, match="plain relative path"):
        run("", files={name: b""})


def test_nothing_to_run_is_refused():
    with pytest.raises(ValueError, match="argv is empty"):
        asyncio.run(SANDBOX.run([]))


@pytest.mark.parametrize("wrong", [{"wall_s": 0}, {"cpu_s": float("inf")}, {"processes": True}, {"file_mb": "8"}])
def test_a_limit_is_a_number_above_zero(wrong):
    with pytest.raises(ValueError, match=f"limit {next(iter(wrong))}"):
        run("", limits=wrong)
    with pytest.raises(ValueError, match="unknown option 'time'"):
        run("", limits={"time": 1})


def test_a_program_that_is_not_there():
    async def started():
        try:
            return await SANDBOX.run(["/nowhere/program"])
        except SandboxFailed as error:
            return error

    # Root gives itself up inside, by a program that says it; for a user bubblewrap itself has nothing to start.
    assert "nowhere" in str(asyncio.run(started()))


def test_cpu_time_counts_children():
    ran = run(
        "import os, time\nfor _ in range(2):\n    if os.fork() == 0:\n        end = time.process_time() + 0.3\n        while time.process_time() < end:\n            pass\n        os._exit(0)\n    os.wait()"
    )
    assert ran.cpu_s > 0.55


def test_memory_that_is_shared_counts_once():
    program = (
        "import os, time\nx = os.urandom(1 << 20) * 60\nfor _ in range(5):\n    if os.fork() == 0:\n        time.sleep(0.4)\n        os._exit(0)\n"
        "for _ in range(5):\n    os.wait()\nprint('shared')"
    )
    assert run(program, limits=Limits(wall_s=60, memory_mb=150)).stdout == b"shared\n"


def test_hash_order_is_the_same_in_every_run():
    first, second = (run("print(list({'a', 'b', 'c', 'd', 'e', 'f'}))").stdout for _ in range(2))
    assert first == second


def test_no_more_than_so_many_at_once():
    narrow = Sandbox(concurrency=2)

    async def several():
        program = "import time\ntime.sleep(0.3)"
        begun = time.monotonic()
        await asyncio.gather(*(narrow.run([narrow.python, "-S", "-c", program], limits=PLENTY) for _ in range(6)))
        return time.monotonic() - begun

    assert asyncio.run(several()) >= 0.9
    narrow.close()
    with pytest.raises(ValueError, match="concurrency=0"):
        Sandbox(concurrency=0)


def test_a_closed_sandbox_can_be_used_again():
    one = Sandbox()
    assert run("print(1)", one).stdout == b"1\n"
    one.close()
    assert run("print(2)", one).stdout == b"2\n"
    one.close()


def test_cancelling_kills():
    marker = "marker-cancelled-5d1"

    async def cancelled():
        task = asyncio.create_task(
            SANDBOX.run(
                [SANDBOX.python, "-S", "-c", f"import time\ntime.sleep(600) # {marker}"], limits=Limits(wall_s=600)
            )
        )
        while not list(_seen(marker)):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return list(_seen(marker))

    assert asyncio.run(cancelled()) == []


def test_what_only_waits_for_its_turn_never_starts():
    narrow = Sandbox(concurrency=1)

    async def cancelled():
        program = [narrow.python, "-S", "-c", "import time\ntime.sleep(0.5)\nprint('first')"]
        first = asyncio.create_task(narrow.run(program, limits=PLENTY))
        others = [asyncio.create_task(narrow.run(["/never/started"], limits=PLENTY)) for _ in range(20)]
        await asyncio.sleep(0.1)
        for other in others:
            other.cancel()
        done = await asyncio.gather(*others, return_exceptions=True)
        return await first, {type(one) for one in done}

    first, kinds = asyncio.run(cancelled())
    assert first.stdout == b"first\n"
    assert kinds == {asyncio.CancelledError}
    narrow.close()


def _seen(marker):
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and int(folder.name) != os.getpid()
                and marker.encode() in (folder / "cmdline").read_bytes()
            ):
                yield folder.name
        except OSError:
            continue


ASKING = """
import asyncio
from evalkit.sandbox.sandbox import Limits, Sandbox
sandbox = Sandbox(concurrency=2)
sandbox.available()
print("ready", flush=True)
program = [sandbox.python, "-S", "-c", "import time; time.sleep(600) # {marker}"]
async def ask():
    await asyncio.gather(*(sandbox.run(program, limits=Limits(wall_s={wall_s})) for _ in range(10_000)))
asyncio.run(ask())
"""


@pytest.mark.parametrize("wall_s", [600, 0.02], ids=["running", "starting"])
def test_nothing_survives_the_death_of_the_one_who_asked(wall_s):
    """Killed while programs run, and at any moment of their start."""
    marker, code = f"marker-orphan-{os.getpid()}", ASKING.replace("{wall_s}", str(wall_s))
    for kill_after_s in (0.0, 0.004, 0.009, 0.013, 0.02, 0.03, 0.05, 0.3):
        command = [sys.executable, "-c", code.replace("{marker}", marker)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as asking:
            assert asking.stdout.readline() == b"ready\n"
            time.sleep(kill_after_s)
            asking.kill()
    end = time.monotonic() + 20
    while list(_seen(marker)) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(_seen(marker)) == []


def test_who_dies_before_the_gate_opens_runs_nothing():
    """The last step before the program takes the end of its input for a no."""
    gate = _bubblewrap._GATE
    for said, out in ((b"", b"\n"), (b"go\n", b"\nran\n")):
        ran = subprocess.run(
            ["sh", "-c", gate, "gate", "/dev/null", "echo", "ran"], input=said, capture_output=True, check=False
        )
        assert ran.stdout == out


def test_an_ordinary_user_is_isolated_too(tmp_path):
    """Root and user start bubblewrap in different ways; whoever runs the tests, the user's way is taken here."""
    copied = tmp_path / "evalkit"
    for room in ("core", "sandbox"):
        shutil.copytree(ROOT / "evalkit" / room, copied / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "evalkit" / "__init__.py", copied)
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from evalkit.sandbox.sandbox import Limits, Sandbox\n"
        "s = Sandbox()\n"
        "assert s.available() is None, s.available()\n"
        "inside = 'import os\\nn = 0\\ntry:\\n    while True:\\n        if os.fork() == 0:\\n            os.read(os.pipe()[0], 1)\\n        n += 1\\n'\n"
        'inside += \'except OSError:\\n    print(os.getuid(), n, os.path.exists("/home"), os.access("/", os.W_OK), os.access("/dev", os.W_OK))\'\n'
        "ran = asyncio.run(s.run([s.python, '-S', '-c', inside], limits=Limits(wall_s=60, processes=9)))\n"
        "print(ran.stdout.decode(), ran.stderr.decode(), ran.exit_code)\n"
        "print(asyncio.run(s.run(['/nowhere'])).exit_code)\n"
    )
    user = {"user": 54321, "group": 54321, "extra_groups": []} if os.geteuid() == 0 else {}
    for path in [tmp_path, *tmp_path.parents[:-1]]:
        assert path.is_dir()
    found = None
    folder = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(tmp_path, folder, dirs_exist_ok=True)
        program = folder / "program.py"
        program.write_text(program.read_text().replace(str(tmp_path), str(folder)))
        folder.chmod(0o755)
        for interpreter in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
            try:
                found = subprocess.run(
                    [interpreter, "-B", program], capture_output=True, check=False, text=True, env={}, cwd="/", **user
                )
            except OSError:
                continue
            break
    finally:
        shutil.rmtree(folder)
    assert found is not None, "no interpreter that an ordinary user may start"
    assert found.stdout.split() == ["65534", "8", "False", "False", "False", "0", "127"], found


def test_where_nothing_isolates_nothing_runs(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    bare = Sandbox()
    assert bare.available() == "install bubblewrap (Debian: bubblewrap)"
    assert not bare.isolated
    with pytest.raises(MissingComponent, match="programs cannot be run safely here: install bubblewrap"):
        asyncio.run(bare.run(["python3"]))


def test_other_systems_have_no_bubblewrap(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _bubblewrap.missing() == "bubblewrap isolates programs on Linux only"
    assert _seccomp.program() is None


def test_root_needs_setpriv(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "setpriv" in _bubblewrap.missing()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'setting up uid map: Permission denied' >&2; exit 1", "setting up uid map: Permission denied"),
        ("exit 7", "it ended with 7"),
    ],
)
def test_a_bubblewrap_that_does_not_work_is_said(monkeypatch, tmp_path, script, words):
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    broken = Sandbox()
    assert f"bubblewrap is installed but does not work here: bubblewrap did not start: {words}" in broken.available()
    with pytest.raises(MissingComponent, match="cannot be run safely"):
        asyncio.run(broken.run(["python3"]))


def test_a_bubblewrap_that_says_nothing_is_not_waited_for(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(_bubblewrap, "_STARTING_S", 0.2)
    assert "did not start within" in Sandbox().available()


def test_an_interpreter_that_does_not_start_inside_is_said(monkeypatch):
    monkeypatch.setattr("evalkit.sandbox.sandbox._PROBE", Limits(memory_mb=6))
    assert "Python does not start inside bubblewrap: " in Sandbox().available()


def test_a_machine_without_a_filter_has_none(monkeypatch):
    assert len(_seccomp.program()) % 8 == 0
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert _seccomp.program() is None
    assert run("print('runs')", Sandbox()).stdout == b"runs\n"


def test_the_filter_of_the_other_machine_is_made_too(monkeypatch):
    here = _seccomp.program()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert _seccomp.program() != here
    assert len(_seccomp.program()) == len(here)


def test_a_shared_interpreter_brings_its_library(monkeypatch, tmp_path):
    (tmp_path / "libpython9.so").write_bytes(b"")
    values = {"Py_ENABLE_SHARED": 1, "LIBDIR": str(tmp_path), "INSTSONAME": "libpython9.so"}
    monkeypatch.setattr("sysconfig.get_config_var", values.get)
    assert str(tmp_path / "libpython9.so") in _interpreter.needed().shown
    monkeypatch.setattr("sysconfig.get_config_var", {}.get)
    assert str(tmp_path / "libpython9.so") not in _interpreter.needed().shown


def test_only_what_is_needed_is_shown():
    needed = _interpreter.needed()
    assert {"/", "/home", "/root", "/etc", "/usr", str(Path.home()), sys.prefix, sys.base_prefix}.isdisjoint(
        needed.shown
    )
    assert _interpreter.parents(("/a/b/c", "/a/d")) == ["/a", "/a/b"]


class Immortal:
    """Something that does not die when it is killed."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import time\ntime.sleep(600)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.root = self.process.pid

    def kill(self):
        """Nothing."""

    def exit_code(self, status, stderr):
        raise AssertionError

    def close(self):
        self.process.kill()
        self.process.communicate()


def test_what_does_not_die_is_an_error_and_not_a_result(monkeypatch):
    monkeypatch.setattr(_following, "_END_S", 0.2)
    started, ends = Immortal(), os.pipe()
    with pytest.raises(SandboxFailed, match="did not end"):
        _following.Follower(started, Limits(wall_s=0.2), ends[0]).follow()
    started.close()
    for end in ends:
        os.close(end)


def test_without_pidfd_a_process_is_looked_at(monkeypatch):
    monkeypatch.setattr(_following, "_pidfd", lambda pid: None)
    assert run("print('seen')").stdout == b"seen\n"


def test_pidfd_of_nobody():
    assert _following._pidfd(2**22 + 1) is None


def test_use_of_a_tree_that_is_gone_is_nothing():
    assert _tree.used(2**22 + 1, 1) == _tree.Used(0.0, 0)
    mine = _tree.used(os.getpid(), 1 << 50)
    assert mine.cpu_s > 0
    assert _tree.used(os.getpid(), 1).memory <= mine.memory * 2


def test_local_runs_say_what_they_are(local, caplog):
    assert local.available() is None
    assert not local.isolated
    assert "WITHOUT isolation" in local.warning
    assert caplog.text == ""
    run("pass", local)
    assert "WITHOUT isolation" in caplog.text
    ran = run(
        "import os\nprint(open('a/b').read(), sorted(os.environ), os.getcwd() == os.environ['HOME'])",
        local,
        files={"a/b": b"x"},
    )
    assert ran.stdout.startswith(b"x ['HOME', 'LANG'")
    assert ran.stdout.endswith(b"True\n")


def test_local_runs_have_limits(local):
    assert run("import time\ntime.sleep(600)", local, limits=Limits(wall_s=0.3)).killed == "time"
    assert run("while True:\n    pass", local, limits=Limits(wall_s=60, cpu_s=0.3)).killed == "cpu"
    assert b"MemoryError" in run("x = bytearray(1 << 30)", local, limits=Limits(memory_mb=256)).stderr
    assert run("while True:\n    print('x' * 1000)", local).killed == "output"
    assert run("import os\nos.kill(os.getpid(), 11)", local).exit_code == 128 + signal.SIGSEGV
    assert run("import sys\nsys.exit(4)", local).exit_code == 4


def test_local_runs_leave_no_process_of_the_group_and_no_folder(local):
    marker = "marker-local-3c9"
    program = f"import os, time # {marker}\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a', 0)\nprint(os.getcwd(), flush=True)\nif os.fork() == 0:\n    time.sleep(600)"
    ran = run(program, local, stdin=b"abc")
    assert ran.exit_code == 0
    assert list(_seen(marker)) == []
    assert not Path(ran.stdout.decode().strip()).exists()


def test_a_local_program_that_is_not_there(local):
    ran = asyncio.run(local.run(["/nowhere"]))
    assert ran.exit_code == 1
    assert b"FileNotFoundError" in ran.stderr


def test_a_local_start_that_fails_leaves_no_folder(local, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(local._backend, "python", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        asyncio.run(local.run(["x"]))
    assert list(tmp_path.iterdir()) == []


def test_the_limits_of_this_process_are_not_raised(monkeypatch):
    seen = []
    monkeypatch.setattr(resource, "prlimit", lambda pid, what, limits=None: seen.append(limits) or (1, 7))
    _bubblewrap._limit(1, resource.RLIMIT_CPU, 10, 11)
    assert seen == [None, (7, 7)]


def test_the_local_launcher_is_what_a_program_becomes():
    assert "os.execv" in _local._BECOME
