# SPDX-License-Identifier: BSD-2-Clause
"""The control socket and the metrics endpoint under garbage, half requests and idle thousands."""
import contextlib
import json
import random
import resource
import socket
import struct

import pytest

from kit.fence import METRICS_PORT, Fence
from kit.lab import Lab, wait_until

THOUSANDS = 3000
LINE_MAX = 16384  # PROTOCOL_LINE_MAX
LONG_LINE_MAX = 4 << 20  # PROTOCOL_LONG_LINE_MAX
STATUS = b'{"version": 1, "command": "status"}'


@pytest.fixture(name="fence", scope="module")
def _fence():
    with Lab("client") as lab, Fence(lab) as fence:
        fence.host = lab.host
        yield fence


@pytest.fixture(autouse=True)
def _agent_lives_and_answers(fence):
    yield
    assert fence.process.poll() is None, fence.log()
    assert fence.json("status")["mode"] == "enforce"
    assert "beamfence_enforcing 1" in fence.metrics()


def control(fence):
    """A connection; while the queue of the socket is full it waits, unlike with settimeout()."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 5, 0))
    connection.connect(str(fence.socket))
    connection.settimeout(5)
    return connection


def endpoint(fence):
    return fence.host.connect("127.0.0.1", METRICS_PORT, 5)


def answer(connection, request):
    """What comes back for some bytes, until the other side has said all or hung up."""
    received = b""
    try:
        connection.sendall(request)
        while not received.endswith(b"\n") and (part := connection.recv(65536)):
            received += part
    except (BrokenPipeError, ConnectionResetError):
        pass
    return received


def garbage(seed):
    chance = random.Random(seed)
    return [chance.randbytes(chance.randrange(1, 5000)) for _ in range(200)]


WRONG = [
    b"", b"null", b"[]", b"7", b"{", b'"status"', b"{}",
    b'{"version": 1}', b'{"command": "status"}',
    b'{"version": 2, "command": "status"}', b'{"version": "1", "command": "status"}',
    b'{"version": 1, "command": 5}', b'{"version": 1, "command": "nosuch"}',
    b'{"version": 1, "command": "status", "arguments": []}',
    b'{"version": 1, "command": "peers.add"}',
    b'{"version": 1, "command": "peers.add", "arguments": {"cluster": "app", "prefix": 7}}',
    b'{"version": 1, "command": "peers.add", "arguments": {"cluster": "app", "prefix": "x/y"}}',
    b'{"version": 1, "command": "peers.add", "arguments": {"cluster": "app", "prefix": "10.0.0.1", '
    b'"ttl_s": -5}}',
    b'{"version": 1, "command": "explain", "arguments": {"in": "client0", "src": "10.0.0.1", '
    b'"dst": "10.0.0.2", "dport": 70000}}',
    b'{"version": 1, "command": "explain", "arguments": {"in": "client0", "src": "10.0.0.1", '
    b'"dst": "fd00::1", "dport": 80}}',
    b'{"version": 1, "command": "st\\u0000atus"}', b"\xff\xfe\x00", b"\x00" * 100,
    b"[" * 16000, b'{"version": 1, "command": "' + b"s" * 16000 + b'"}',
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_control_answers_a_wrong_request_with_one_error(fence, number):
    with control(fence) as connection:
        reply = json.loads(answer(connection, WRONG[number] + b"\n"))
        assert reply["ok"] is False and reply["error"] and "\n" not in reply["error"]


def test_control_survives_garbage(fence):
    for seed in (1, 2):
        for some in garbage(seed):
            with control(fence) as connection:
                connection.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    answer(connection, some + b"\n")


def test_control_takes_a_line_in_pieces_and_several_in_one(fence):
    with control(fence) as connection:
        for byte in STATUS:
            connection.sendall(bytes([byte]))
        assert json.loads(answer(connection, b"\n"))["ok"]
        connection.sendall(STATUS + b"\n" + STATUS + b"\n")
        lines = connection.makefile("rb")
        assert json.loads(lines.readline())["ok"] and json.loads(lines.readline())["ok"]


@pytest.mark.parametrize("size,end", [(LINE_MAX, b"\n"), (LONG_LINE_MAX + 1, b"")])
def test_control_refuses_an_oversized_line(fence, size, end):
    with control(fence) as connection:
        reply = json.loads(answer(connection, b" " * size + end))
        assert reply["ok"] is False
    with control(fence) as connection:  # and one without an end
        connection.settimeout(2)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            for _ in range(200):
                connection.sendall(b"x" * 100000)


def test_control_client_that_never_reads_is_no_burden(fence):
    with control(fence) as connection:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            for _ in range(20000):
                connection.send(b'{"version": 1, "command": "counters"}\n')
        assert fence.json("status")["mode"] == "enforce"


def test_control_half_requests_and_hang_ups(fence):
    for length in range(1, len(STATUS)):
        with control(fence) as connection:
            connection.sendall(STATUS[:length])
    for _ in range(200):  # gone before the answer
        with control(fence) as connection:
            connection.sendall(STATUS + b"\n")


@pytest.fixture(name="many_files")
def _many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 20000), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_control_answers_amid_thousands_of_idle_connections(fence, many_files):
    with contextlib.ExitStack() as stack:
        for _ in range(THOUSANDS):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # the queue is full: that is a bound too
                connection.connect(str(fence.socket))
        assert fence.json("status")["mode"] == "enforce"


REQUESTS = [b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n",
            b"GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
            b"GET " + b"/" * 70000 + b" HTTP/1.1\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
            b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
            b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"]


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_endpoint_gives_metrics_to_no_wrong_request(fence, number):
    with endpoint(fence) as connection:
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            assert b"root:" not in answer(connection, REQUESTS[number])


def test_endpoint_survives_garbage(fence):
    for some in garbage(3):
        with endpoint(fence) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(some)


def test_endpoint_half_requests_and_hang_ups(fence):
    request = b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n"
    for length in range(1, len(request) + 1):
        with endpoint(fence) as connection:
            connection.sendall(request[:length])


def test_thousands_of_idle_scrapers_do_not_disturb_the_agent(fence, many_files):
    with contextlib.ExitStack() as stack:
        for number in range(THOUSANDS):
            connection = stack.enter_context(fence.host.socket(socket.AF_INET))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.connect(("127.0.0.1", METRICS_PORT))
            if number % 2:
                with contextlib.suppress(OSError):
                    connection.send(b"GET /metrics HTTP/1.1\r\nHo")
        assert fence.json("status")["mode"] == "enforce"

    def scraped():
        with contextlib.suppress(ConnectionError):
            return fence.metrics()
        return None
    wait_until(scraped, 20, "metrics after the idle thousands left")
