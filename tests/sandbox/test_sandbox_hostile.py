"""Programs that want to do harm: each is contained, what comes next is unaffected, and nothing is left behind."""

# ruff: noqa: ISC004 - programs of several lines
from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from pathlib import Path

import pytest

from evalkit.sandbox.sandbox import Limits, Sandbox

SANDBOX = Sandbox()
LIMITS = Limits(wall_s=1.5, cpu_s=1.0, memory_mb=256, processes=12, output_bytes=100_000, file_mb=8)
PATIENT = Limits(wall_s=60, cpu_s=20, memory_mb=256, processes=12, file_mb=8)
SOON = Limits(wall_s=60, cpu_s=0.3, memory_mb=256, processes=12)
# Where the machine's own pace decides which limit is met first, only one of them is low.
OWN = {
    "busy for ever": SOON,
    "busy in many": SOON,
    "the home": PATIENT,
    "deleting everything": PATIENT,
    "memory hogs": PATIENT,
}
SECRET = "a-secret-of-this-machine-6b1f"

# name -> program, what must be true of the result. {marker} names the run, so that leftovers can be found.
HOSTILE = {
    "fork bomb": ("import os\nwhile True:\n    os.fork()", lambda r: r.killed in ("time", "cpu") or r.exit_code == 1),
    "patient fork bomb": (
        "import os, time\nn = 0\nwhile True:\n    try:\n        if os.fork() == 0:\n            time.sleep(60)\n"
        "        n += 1\n    except OSError:\n        print(n, flush=True)\n        time.sleep(60)",
        lambda r: r.killed == "time" and 0 < int(r.stdout.split()[0]) < 12,
    ),
    "thread bomb": (
        "import threading, time\nn = 0\ntry:\n    while True:\n        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "        n += 1\nexcept RuntimeError:\n    print(n)",
        lambda r: r.exit_code == 0 and 0 < int(r.stdout) < 12,
    ),
    "memory hog": ("x = bytearray(1 << 30)", lambda r: r.exit_code == 1 and b"MemoryError" in r.stderr),
    "memory hogs": (
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        x = bytearray(os.urandom(1 << 20)) * 150\n        time.sleep(60)\n"
        "time.sleep(60)",
        lambda r: r.killed == "memory",
    ),
    "memory in files": (
        "n = 0\ntry:\n    while True:\n        open(f'f{n}', 'wb').write(bytes(1 << 20))\n        n += 1\nexcept OSError as error:\n    print(n)",
        lambda r: r.exit_code == 0 and int(r.stdout) <= 8,
    ),
    "memory without a name": ("import os\nos.memfd_create('x')", lambda r: b"PermissionError" in r.stderr),
    "shared memory": (
        "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=1 << 28)",
        lambda r: r.exit_code == 1,
    ),
    "daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 10)\n        time.sleep(60)\n    os._exit(0)\n"
        "print('started')",
        lambda r: r.exit_code == 0 and r.stdout == b"started\n" and r.seconds < 1.5,
    ),
    "new session": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nos.wait()",
        lambda r: r.killed == "time",
    ),
    "deaf to signals": (
        "import signal, time\nfor n in range(1, 32):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except OSError:\n        continue\n"
        "while True:\n    time.sleep(1)",
        lambda r: r.killed == "time",
    ),
    "busy for ever": ("while True:\n    pass", lambda r: r.killed == "cpu"),
    "busy in many": ("import os\nfor _ in range(3):\n    os.fork()\nwhile True:\n    pass", lambda r: r.killed == "cpu"),
    "asleep for ever": ("import time\ntime.sleep(1e6)", lambda r: r.killed == "time"),
    "network": (
        "import socket\ns = socket.socket()\ns.settimeout(1)\ntry:\n    s.connect(('127.0.0.1', {port}))\n    print('connected')\n"
        "except OSError as error:\n    print(type(error).__name__)\n"
        "print(socket.if_nameindex())",
        lambda r: r.stdout.splitlines()[0] == b"ConnectionRefusedError" and b"'lo'" in r.stdout and r.stdout.count(b",") == 1,
    ),
    "names on the network": (
        "import socket\nsocket.getaddrinfo('example.org', 80)", lambda r: r.exit_code == 1 and b"gaierror" in r.stderr,
    ),
    "abstract sockets": (
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0{abstract}')", lambda r: r.exit_code == 1 and b"ConnectionRefused" in r.stderr,
    ),
    "passwords": ("print(open('/etc/shadow').read())", lambda r: r.exit_code == 1 and b"FileNotFoundError" in r.stderr),
    "the home": (
        "import os\nfound = []\nfor top in ('{home}', '/home', '/work', '/var', '/etc', '/opt', '/srv', '/mnt'):\n"
        "    for path, _, files in os.walk(top):\n        found += [f for f in files if 'python' not in os.path.join(path, f)]\nprint(sorted(found))",
        lambda r: r.exit_code == 0 and r.stdout.strip() in (b"[]", b"['ld.so.cache']"),
    ),
    "this machine's files": ("print(open('{secret}').read())", lambda r: r.exit_code == 1 and SECRET.encode() not in r.stdout),
    "the environment": (
        "import os\nprint(sorted(os.environ))\nprint(open('/proc/1/environ').read().count('{tempdir}/'))",
        lambda r: b"HOME" in r.stdout and all(name not in r.stdout for name in (b"PYTEST", b"USER", b"KEY")) and r.stdout.split()[-1] == b"0",
    ),
    "writing outside": (
        "bad = []\nfor path in ('/x', '/usr/lib/x', '/etc/x', '/dev/x', '/dev/shm/x', '/proc/x', '{home}/x', '{secret}'):\n"
        "    try:\n        open(path, 'w').write('x')\n        bad.append(path)\n    except OSError:\n        continue\nprint(bad)",
        lambda r: r.stdout == b"[]\n",
    ),
    "writing to the interpreter": (
        "import os, sys\nbad = 0\nfor path in (sys.executable, os.__file__, json_file := __import__('json').__file__):\n    for how in ('r+b', 'wb', 'ab'):\n"
        "        try:\n            open(path, how)\n            bad += 1\n        except OSError:\n            continue\nprint(bad)",
        lambda r: r.stdout == b"0\n",
    ),
    "deleting everything": (
        "import shutil\nshutil.rmtree('/', ignore_errors=True)\nshutil.rmtree('{home}', ignore_errors=True)\nprint('done')",
        lambda r: r.stdout == b"done\n",
    ),
    "links out": (
        "import os\nos.symlink('/etc/shadow', 'a')\nos.symlink('{secret}', 'b')\nbad = 0\nfor name in 'ab':\n    try:\n        open(name).read()\n        bad += 1\n"
        "    except OSError:\n        continue\ntry:\n    os.link('/usr/lib/os-release', 'c')\n    bad += 1\nexcept OSError:\n    pass\nprint(bad)",
        lambda r: r.stdout == b"0\n",
    ),
    "devices": (
        "import os\nbad = []\nfor number in ((8, 0), (254, 0), (1, 1)):\n    try:\n        os.mknod(f'd{number[0]}', 0o60600, os.makedev(*number))\n"
        "        bad.append(number)\n    except OSError:\n        continue\nprint(bad, sorted(set(os.listdir('/dev')) & {'sda', 'vda', 'mem', 'kmsg', 'kvm'}))",
        lambda r: r.stdout == b"[] []\n",
    ),
    "huge output": ("while True:\n    print('x' * 10000)", lambda r: r.killed == "output" and len(r.stdout) == 100_000),
    "huge errors": (
        "import sys\nwhile True:\n    sys.stderr.write('x' * 10000)", lambda r: r.killed == "output" and len(r.stderr) == 100_000,
    ),
    "huge file": (
        "f = open('big', 'wb')\nwritten = 0\ntry:\n    while True:\n        written += f.write(bytes(1 << 20))\nexcept OSError:\n    print(written >> 20)",
        lambda r: r.exit_code in (0, 1) and int(r.stdout.split()[0]) <= 9,
    ),
    "sparse file": ("open('big', 'wb').truncate(1 << 40)", lambda r: r.exit_code == 1 and b"OSError" in r.stderr),
    "leaving early": ("import os\nprint('half')\nos._exit(0)", lambda r: r.exit_code == 0 and r.stdout == b""),
    "closed output": (
        "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)", lambda r: r.killed == "time" and r.stdout == b"",
    ),
    "waiting for more input": ("import sys\nprint(len(sys.stdin.read()))\ninput()", lambda r: r.stdout == b"3\n" and b"EOFError" in r.stderr),
    "bytes that are no text": (
        "import sys\nsys.stdout.buffer.write(b'\\x1b]0;owned\\x07\\x00\\xff\\xfe\\x1b[2J' * 3)", lambda r: r.stdout == b"\x1b]0;owned\x07\x00\xff\xfe\x1b[2J" * 3,
    ),
    "looking at others": (
        "import os\nprint(sum(name.isdigit() for name in os.listdir('/proc')))\nprint(open('/proc/1/cmdline').read().count('python') > 0)",
        lambda r: r.stdout.split() == [b"1", b"True"],
    ),
    "killing others": (
        "import os\nfor pid in (-1, os.getppid(), {parent}):\n    try:\n        os.kill(pid, 9)\n    except OSError:\n        continue\nprint('alive')",
        lambda r: r.stdout == b"alive\n" or r.exit_code is not None,
    ),
    "ptrace": (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.ptrace(0, 0, 0, 0), ctypes.get_errno())", lambda r: r.stdout == b"-1 1\n",
    ),
    "namespaces of its own": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.unshare(0x10000000), ctypes.get_errno(), libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
        lambda r: r.stdout == b"-1 1 -1\n",
    ),
    "new privileges": (
        "import os\nfor call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot('/tmp'), lambda: os.nice(-5)):\n"
        "    try:\n        call()\n        print('did')\n    except OSError:\n        continue\nprint(os.getuid(), os.getgid())",
        lambda r: r.stdout == b"65534 65534\n",
    ),
    "more than its limits": (
        "import resource\nfor what in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):\n"
        "    try:\n        resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n        print('did')\n    except (ValueError, OSError):\n        continue\nprint('kept')",
        lambda r: r.stdout == b"kept\n",
    ),
    "the terminal": (
        "import fcntl, termios\ntry:\n    fcntl.ioctl(open('/dev/tty'), termios.TIOCSTI, b'x')\n    print('typed')\nexcept OSError:\n    print('none')",
        lambda r: r.stdout == b"none\n",
    ),
    "kernel keys": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.syscall(248, b'user', b'x', b'y', 1, -4), ctypes.get_errno())",
        lambda r: r.stdout == b"-1 1\n",
    ),
}  # fmt: skip


def python(program, **options):
    options.setdefault("limits", LIMITS)
    return SANDBOX.run([SANDBOX.python, "-s", "-S", "-c", program], **options)


def processes_with(marker):
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line and int(folder.name) != os.getpid():
                found.append(folder.name)
    return found


def opened():
    return len(list(Path("/proc/self/fd").iterdir()))


def children():
    me = Path("/proc/self/task")
    return sorted(pid for task in me.iterdir() for pid in (task / "children").read_text().split())


@pytest.fixture
def world(tmp_path):
    """What a program might reach of this machine."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with socket.socket() as listening, socket.socket(socket.AF_UNIX) as abstract:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        abstract.bind(f"\0{tmp_path.name}-{os.getpid()}")
        abstract.listen()
        yield {
            "port": listening.getsockname()[1],
            "abstract": f"{tmp_path.name}-{os.getpid()}",
            "secret": secret,
            "home": Path.home(),
            "tempdir": tempfile.gettempdir(),
            "parent": os.getpid(),
        }
        assert secret.read_text() == SECRET


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_is_contained(name, world, tmp_path, monkeypatch):
    program, holds = HOSTILE[name]
    marker = f"marker-{name.replace(' ', '-')}"
    for word, value in world.items():
        program = program.replace(f"{{{word}}}", str(value))
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    mounts, descriptors, before = Path("/proc/self/mountinfo").read_text(), opened(), children()

    async def both():
        beside = asyncio.create_task(python("print(sum(range(10**5)))", limits=Limits(wall_s=60)))
        hostile = await python(f"# {marker}\n{program}", stdin=b"abc", limits=OWN.get(name, LIMITS))
        return hostile, await beside, await python("print('next')", limits=Limits(wall_s=60))

    hostile, beside, following = asyncio.run(both())
    assert holds(hostile), hostile
    assert (beside.exit_code, beside.stdout) == (0, b"4999950000\n")
    assert (following.exit_code, following.stdout) == (0, b"next\n")
    assert processes_with(marker) == []
    assert children() == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert opened() <= descriptors
    assert list(own.iterdir()) == []


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 20
