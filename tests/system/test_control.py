# SPDX-License-Identifier: BSD-2-Clause
"""The control sockets: who may look, who may change, and clients that do not behave."""
import json
import shutil
import socket
import stat
import subprocess
import time

import pytest

from kit.fence import BEAMFENCE, Fence

NOBODY = 65534
READERS = "  readers: nogroup\n"


@pytest.fixture(name="fence")
def _fence(lab):
    lab.directory.chmod(0o711)
    with Fence(lab, extra=READERS) as fence:
        yield fence


@pytest.fixture(name="as_nobody")
def _as_nobody(lab, fence):
    """Runs beamfence as a user who is in the group of readers and no other."""
    binary = lab.directory / "beamfence"
    shutil.copy(BEAMFENCE, binary)

    def ask(*arguments, group="nogroup", first=()):
        return subprocess.run(
            ["setpriv", "--reuid", str(NOBODY), "--regid", group, "--clear-groups", binary,
             *first, "--socket", fence.socket, *map(str, arguments)],
            text=True, capture_output=True, check=False, timeout=20)
    return ask


def test_readers_may_look_and_change_nothing(fence, as_nobody):
    for command in (("status",), ("ports",), ("peers",), ("counters",),
                    ("explain", "--in", "client0", "--src", "192.0.2.1", "--dst", "192.0.2.2",
                     "--dport", "4369")):
        done = as_nobody("--json", *command)
        assert done.returncode == 0 and json.loads(done.stdout), done.stderr
    for command in (("peers", "add", "app", "192.0.2.1"), ("reload",), ("detach",),
                    ("try", "/etc/passwd"), ("confirm",), ("revert",)):
        done = as_nobody(*command)
        assert done.returncode == 1 and "permission denied" in done.stderr, command
    assert all(one["source"] == "config" for one in fence.json("peers"))


def test_shells_complete_names_for_readers_too(as_nobody):
    assert as_nobody("peers", "add", "", first=["complete"]).stdout == "app\ndb\n"


def test_others_may_not_even_look(fence, as_nobody):
    done = as_nobody("status", group="daemon")
    assert done.returncode == 1 and f"permission denied on {fence.socket}" in done.stderr


def test_socket_for_readers_refuses_changes_from_anybody(fence):
    path = fence.socket.with_name("read.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    done = fence.run("--socket", path, "peers", "add", "app", "192.0.2.1")
    assert done.returncode == 1 and "for looking only" in done.stderr
    assert str(fence.socket) in done.stderr
    assert "command refused" in fence.log()
    assert all(one["source"] == "config" for one in fence.json("peers"))


@pytest.mark.parametrize("readers", ["", "  readers: nosuchgroup\n"])
def test_without_readers_there_is_no_such_socket(lab, readers):
    with Fence(lab, extra=readers) as fence:
        assert not fence.socket.with_name("read.sock").exists()
        assert ("no socket for readers" in fence.log()) == bool(readers)


def test_socket_of_readers_goes_with_the_agent(fence):
    path = fence.socket.with_name("read.sock")
    assert path.exists()
    fence.end()
    assert not path.exists()
    fence.start()
    fence.kill()
    assert path.exists()
    fence.start()
    assert fence.run("--socket", path, "status").returncode == 0


def resident_kib(fence):
    with open(f"/proc/{fence.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.parametrize("name", ["control.sock", "read.sock"])
def test_clients_that_never_read_hold_up_nobody(fence, name):
    request = b'{"version": 1, "command": "ports"}\n'
    before = resident_kib(fence)
    clients = []
    try:
        for _ in range(60):
            client = socket.socket(socket.AF_UNIX)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect(str(fence.socket.with_name(name)))
            client.setblocking(False)
            clients.append(client)
        for _ in range(200):
            for client in clients:
                try:
                    client.send(request)
                except BlockingIOError:
                    pass
        started = time.monotonic()
        assert fence.run("--socket", fence.socket.with_name(name), "status").returncode == 0
        fence.tell("peers", "add", "app", "192.0.2.1")
        assert time.monotonic() - started < 2
        assert resident_kib(fence) - before < 8 * 1024
    finally:
        for client in clients:
            client.close()


def test_error_says_in_a_word_what_kind_it_is(fence):
    def ask(line):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(fence.socket))
            client.sendall(line.encode() + b"\n")
            return json.loads(client.makefile().readline())
    for line, code in (('{"version": 9, "command": "status"}', "version"),
                       ('{"version": 1, "command": "nosuch"}', "unknown"),
                       ('{"version": 1, "command": "confirm"}', "not-found"),
                       ('{"version": 1, "command": "peers.del", "arguments": {"cluster": "app", '
                        '"prefix": "10.77.2.0/24"}}', "denied"),
                       ('{"version": 1, "command": "peers.add", "arguments": {}}', "invalid"),
                       ("nonsense", "invalid")):
        reply = ask(line)
        assert (reply["ok"], reply["code"], reply["version"]) == (False, code, 1), line
