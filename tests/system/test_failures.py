# SPDX-License-Identifier: BSD-2-Clause
"""Law 5 again: an allocation or a system call that fails ends in success or in a clear error.

One call fails, for each way (call stack) that leads to an allocation or to the kernel. Then nobody
has crashed or leaked (in a build with sanitizers: "make check-sanitized"), the policy is the old one
or the new, whole, and what is asked for next is done. Here a sample of the ways; "make soak" takes
all.
"""
import errno
import json
import os
import socket
import subprocess

import pytest

from kit.faults import ALLOCATIONS, SYSTEM_CALLS, Faults
from kit.fence import BEAMFENCE
from kit.lab import Lab, LabError, http_get, wait_until
from kit.points import NEW, OLD, Subject

EVERYWHERE = os.environ.get("BEAMFENCE_FAIL_EVERYWHERE")
KINDS = pytest.mark.parametrize("kinds", [ALLOCATIONS, SYSTEM_CALLS], ids=["memory", "calls"])
CODES = (errno.EIO, errno.ENOMEM, errno.EPERM, errno.EINVAL)
SCRAPE = ("/metrics", None)
REQUESTS = (("status", {}), ("ports", {}), ("counters", {}), ("metrics", {}), ("sources", {}),
            ("peers.list", {}), ("events", {}),
            ("explain", {"in": "client0", "src": "192.0.2.1", "dst": "10.77.1.1", "dport": 4369}),
            ("peers.add", {"cluster": "app", "prefix": "10.77.9.9"}),
            ("peers.del", {"cluster": "app", "prefix": "10.77.9.9"}), SCRAPE)


def points(ways, sample):
    """Which of so many ways are tried: all, or about so many of them, the same at each run."""
    return range(1, ways + 1, 1 if EVERYWHERE else max(1, ways // sample))


def errno_at(number):
    return CODES[number % len(CODES)]


def lines_of(process):
    return process.log.read_text(errors="replace").splitlines()


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "peer2", "stranger") as lab:
        yield lab


@pytest.fixture(name="faults", scope="module")
def _faults(lab):
    return Faults(lab.directory)


@pytest.fixture(name="subject", scope="module")
def _subject(lab, faults):
    subject = Subject(lab)
    subject.fence.environment.update(faults.environment)
    yield subject
    subject.fence.close()


@KINDS
def test_check_of_a_file_ends_well_or_says_why_not(subject, faults, kinds):
    subject.fence.configure(**OLD)

    def check(number, code):
        with faults.at(kinds, number, code):
            return subprocess.run([BEAMFENCE, "check", subject.fence.config], text=True,
                                  env={**subject.fence.environment, "LC_ALL": "C"}, timeout=20,
                                  capture_output=True, check=False)

    assert check(0, 0).returncode == 0
    for number in points(faults.ways, 20):
        done = check(number, errno_at(number))
        assert done.returncode in (0, 1), f"at {number}: {done}"
        assert done.returncode == 0 or len(done.stderr.splitlines()) == 1, f"at {number}: {done}"


def started(subject, timeout=120):
    """Whether the agent that was launched got ready; else it has ended.

    In time: where memory lacks while a program is loaded, libbpf tries again with the verifier's log,
    over and over with more room for it.
    """
    process = subject.fence.process
    try:
        subject.fence.wait_for("READY=1", timeout)
    except (LabError, TimeoutError):
        assert process.poll() is not None, lines_of(process)[-10:]
        return False
    return True


@KINDS
def test_start_fences_all_or_nothing_and_says_why(subject, faults, kinds):
    def start(number, code):
        subject.detach()
        subject.fence.log_path.write_bytes(b"")
        subject.fence.configure(**OLD)
        with faults.at(kinds, number, code):
            subject.fence.launch()
            return started(subject)

    assert start(0, 0)
    for number in points(faults.ways, 3):
        code = errno_at(number)
        where = f"way {number} of {faults.ways}, errno {code}"
        if start(number, code):
            wait_until(lambda: subject.verdicts() == subject.old, 10, f"{where}: the policy")
            assert subject.fence.end(15) == 0, where
        else:
            said = lines_of(subject.fence.process)
            assert subject.fence.process.returncode == 1, (where, said)
            assert said, where
            assert subject.verdicts() in (subject.nothing, subject.old), (where, said)


@KINDS
def test_reload_leaves_the_old_policy_or_the_new(subject, faults, kinds):
    subject.detach()
    subject.start(OLD)

    def reload(number, code, settings):
        subject.fence.configure(**settings)
        with faults.at(kinds, number, code):
            return subject.fence.ask("reload")

    assert reload(0, 0, NEW).returncode == 0
    ways = faults.ways
    assert reload(0, 0, OLD).returncode == 0
    for number in points(ways, 4):
        code = errno_at(number)
        done = reload(number, code, NEW)
        where = f"way {number} of {ways}, errno {code}: {done.stderr}"
        assert subject.fence.process.poll() is None, where
        if done.returncode == 0:  # an interface that it could not attach to is tried again
            wait_until(lambda: subject.verdicts() == subject.new, 15, f"{where}: the policy")
        else:
            assert subject.verdicts() in (subject.old, subject.new), where
        assert reload(0, 0, OLD).returncode == 0, where
        assert subject.verdicts() == subject.old, where
    assert subject.fence.end(15) == 0


def ask(subject, command, arguments, patience=5):
    """A request, or a scrape, that may go wrong; whether it was answered, and well."""
    if arguments is None:
        try:
            return bool(http_get(subject.lab.host, "127.0.0.1", 9369, command, patience))
        except (OSError, LabError):
            return False
    line = json.dumps({"version": 1, "command": command, "arguments": arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(str(subject.fence.socket))
            connection.sendall(line)
            answer = connection.makefile().readline()
    except OSError:
        return False
    try:
        reply = json.loads(answer or "{}")
    except ValueError as error:
        raise AssertionError(f"reply to {command}: {answer!r}") from error
    return reply.get("ok") or reply.get("code") == "not-found"  # a peer that is gone already


@KINDS
def test_requests_and_scrapes_are_answered_or_fail_and_the_next_is_answered(subject, faults, kinds):
    subject.detach()
    subject.start(OLD)
    # A connection may be silent until its time is over: libevent does not tell of an epoll_ctl(2)
    # that fails. The next is served.
    for command, arguments in REQUESTS:
        def answered(one=command, its=arguments):
            return ask(subject, one, its, 2)

        with faults.at(kinds, 0):
            wait_until(answered, 5, f"an answer to {command}")
        for number in points(faults.ways, 1):
            with faults.at(kinds, number, errno_at(number)):
                ask(subject, command, arguments, 0.5)
            assert subject.fence.process.poll() is None, (command, number)
            wait_until(answered, 10, f"an answer to {command} after a failure at {number}")
    assert subject.verdicts() == subject.old
    assert subject.fence.end(15) == 0
