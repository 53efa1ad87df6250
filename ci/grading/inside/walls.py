"""The walls around a student's process, from inside: limits of its resources, and what it may not do.

Resource limits and, on Linux, a filter of system calls are enforced by the kernel. The audit hook only explains: it
notices a forbidden act in Python before the kernel refuses it, so that the report can say what was tried.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Callable

__all__ = ["filter_system_calls", "limit", "watch"]

GIGABYTE = 2**30


def limit(seconds: int, gigabytes: float, files: int = 64, file_bytes: int = 16 * 2**20) -> None:
    """Limit this process: CPU seconds, memory beyond what it has now, open files, and the size of a file."""
    import resource  # not on Windows

    with open("/proc/self/statm") if os.path.exists("/proc/self/statm") else open(os.devnull) as file:
        pages = int((file.read().split() or [0])[0])
    space = pages * os.sysconf("SC_PAGE_SIZE") + int(gigabytes * GIGABYTE)
    limits = {"CPU": seconds, "NOFILE": files, "FSIZE": file_bytes, "CORE": 0, "NPROC": 64}
    if pages:  # elsewhere the memory that a process has taken is unknown
        limits["AS"] = space
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, most = resource.getrlimit(kind)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        hard = value + 5 if name == "CPU" and most == resource.RLIM_INFINITY else value  # a signal that names the limit
        resource.setrlimit(kind, (value, hard))


# ---- system calls --------------------------------------------------------------------------------------------------

# (number on x86_64, number on aarch64): to start a program or a process, to reach the network, or another process
FORBIDDEN_CALLS = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "mount": (165, 40), "umount2": (166, 39),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "add_key": (248, 217), "keyctl": (250, 219), "userfaultfd": (323, 282),
}  # fmt: skip
CLONE, CLONE3 = (56, 220), (435, 435)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
CLONE_THREAD = 0x00010000
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38


def program(machine: str) -> bytes:
    """The filter, in the kernel's packet-filter language. See seccomp(2)."""
    column, architecture = ARCHITECTURES[machine]
    load, equal, bits, at_least, answer = 0x20, 0x15, 0x45, 0x35, 0x06
    lines = [
        (load, 0, 0, 4),  # the architecture
        (equal, 1, 0, architecture),
        (answer, 0, 0, KILL),
        (load, 0, 0, 0),  # the call's number
        (at_least, 0, 1, 0x40000000),  # x86's second table of calls
        (answer, 0, 0, ERRNO | EPERM),
        (equal, 0, 1, CLONE3[column]),  # its flags are out of reach: the C library then takes clone
        (answer, 0, 0, ERRNO | ENOSYS),
        (equal, 0, 4, CLONE[column]),
        (load, 0, 0, 16),  # the flags, its first argument
        (bits, 0, 1, CLONE_THREAD),  # a thread is allowed
        (answer, 0, 0, ALLOW),
        (answer, 0, 0, ERRNO | EPERM),
    ]
    for numbers in FORBIDDEN_CALLS.values():
        if numbers[column] is not None:
            lines += [(equal, 0, 1, numbers[column]), (answer, 0, 0, ERRNO | EPERM)]
    lines.append((answer, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def filter_system_calls() -> bool:
    """Refuse the forbidden system calls from now on; returns whether this is possible here."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ARCHITECTURES:
        return False
    code = program(machine)
    text = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(text))
    filter_ = ctypes.create_string_buffer(described, len(described))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # its memory is closed to other processes of the same user
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(filter_)), 0, 0) == 0


# ---- what was tried ------------------------------------------------------------------------------------------------

PROCESS = "It tried to start another process."
NETWORK = "It tried to open a network connection."
CHANGE = "It tried to change or delete files ({})."
READ = "It tried to read files that are not its own ({})."
EVENTS = {
    **dict.fromkeys(("os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "os.spawn", "pty.spawn",
                     "subprocess.Popen"), PROCESS),
    **dict.fromkeys(("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"), NETWORK),
    **dict.fromkeys(("os.remove", "os.rmdir", "os.rename", "os.truncate", "os.chmod", "os.chown", "os.link",
                     "os.symlink", "shutil.rmtree", "shutil.move"), CHANGE),
    **dict.fromkeys(("os.listdir", "os.scandir"), READ),
    "os.kill": "It tried to end another process.",
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(forbid: Callable[[str], None], own: str) -> None:
    """Call `forbid` with a sentence when this process tries what it may not do.

    Args:
        forbid: does not return.
        own: the only folder in which it may write. It may read what belongs to Python, too.
    """
    here = os.path.dirname(os.path.realpath(__file__))  # lines of a traceback
    readable = tuple({own, here, *(os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)), *PYTHONS})

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(path, (str, bytes)):
                full = os.path.realpath(os.fsdecode(path))
                if isinstance(flags, int) and flags & WRITING:
                    if not full.startswith((own + os.sep, os.devnull)):
                        forbid(CHANGE.format(shown(path)))
                elif not full.startswith(readable):
                    forbid(READ.format(shown(path)))
        elif event in ("os.listdir", "os.scandir"):
            path = args[0] if args and args[0] is not None else "."
            if isinstance(path, (str, bytes)) and not os.path.realpath(os.fsdecode(path)).startswith(readable):
                forbid(READ.format(shown(path)))
        elif event in EVENTS:
            forbid(EVENTS[event].format(shown(args[0]) if args else ""))

    sys.addaudithook(hook)


PYTHONS = ("/usr", "/lib", "/lib64", "/dev", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices")


def shown(path) -> str:
    return os.fsdecode(path)[:100] if isinstance(path, (str, bytes)) else str(path)[:100]
