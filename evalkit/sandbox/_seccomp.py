"""A seccomp filter for programs that compute: which system calls the kernel refuses them, as BPF for bubblewrap."""

from __future__ import annotations

import errno
import platform
import struct
import sys

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_KILL = 0x80000000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_X32 = 0x40000000

# What reaches beyond a process and its files: other processes' memory, namespaces and mounts, the kernel's key rings
# and programs, and memory that no limit counts (SysV and POSIX queues, anonymous files, io_uring).
_REFUSED = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312,
        "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
        "open_by_handle_at": 304, "name_to_handle_at": 303, "quotactl": 179, "acct": 163, "swapon": 167,
        "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
        "io_uring_setup": 425, "init_module": 175, "finit_module": 313, "kexec_load": 246, "reboot": 169,
        "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "memfd_create": 319, "memfd_secret": 447,
        "personality": 135, "syslog": 103,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "kcmp": 272,
        "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
        "open_by_handle_at": 265, "name_to_handle_at": 264, "quotactl": 60, "acct": 89, "swapon": 224,
        "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "io_uring_setup": 425, "init_module": 105, "finit_module": 273, "kexec_load": 104, "reboot": 142,
        "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180, "memfd_create": 279, "memfd_secret": 447,
        "personality": 92, "syslog": 116,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
_CLONE3 = 435


def program() -> bytes | None:
    """The filter for this machine as `struct sock_filter[]`, or None for a kind of machine that it is not written for.

    Other system call tables (32 bit, x32) end the program, `clone` may not make namespaces, and `clone3`, whose flags a
    filter cannot read, says that it is not there: the C library then uses `clone`.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _ARCHITECTURES:
        return None
    architecture, clone = _ARCHITECTURES[machine]
    code = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_JUMP_ABOVE, _X32, 0, 1),
        _step(_RETURN, _KILL),
        _step(_JUMP_EQUAL, _CLONE3, 0, 1),
        _step(_RETURN, _ABSENT),
    ]
    for number in sorted(_REFUSED[machine].values()):
        code += [_step(_JUMP_EQUAL, number, 0, 1), _step(_RETURN, _REFUSE)]
    code += [
        _step(_JUMP_EQUAL, clone, 0, 3),
        _step(_LOAD, _FIRST_ARGUMENT_AT),
        _step(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(code)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
