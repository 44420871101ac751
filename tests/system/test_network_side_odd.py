# SPDX-License-Identifier: BSD-2-Clause
"""A network side that is taken over, or finds an agent that takes nothing for a while."""
import contextlib
import json
import signal
import socket
import subprocess
import time

import pytest

from kit.lab import Lab, end, wait_until
from test_network_side import BEAMFENCE_NET, Guarded, Impostor, net_connection, net_request


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer") as lab:
        yield lab


def memory(process):
    """The most that it has had, in MiB."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) >> 10


def test_a_request_costs_the_agent_little_more_memory_than_its_text(lab):
    with Guarded(lab) as fence:
        before = memory(fence.process)
        for value in (b"{}", b"[]", b'""', b"0"):
            with net_connection(fence) as connection:
                connection.sendall(b'{"version":1,"command":"names","arguments":{"id":1,"nodes":['
                                   + b",".join([value] * 1_000_000) + b"]}}\n")
                assert json.loads(connection.makefile().readline())["code"] == "limit"
        assert memory(fence.process) - before < 64


def test_it_cannot_fill_the_log_of_the_agent(lab):
    with Guarded(lab) as fence:
        before = len(fence.log_path.read_text().splitlines())
        with Impostor(fence) as impostor:
            order = impostor.order("listen")
            for number in range(1000):
                net_request(fence, "listening", id=order["id"], error=f"trouble {number}")
            assert fence.warnings("trouble 999")  # the last word is what counts
        for _ in range(300):
            with contextlib.suppress(AssertionError), Impostor(fence):
                pass
        assert len(fence.log_path.read_text().splitlines()) - before < 10


def test_how_listening_goes_is_known_also_to_an_agent_that_could_not_be_told(lab):
    """Its queue was full when the port became free."""
    with Guarded(lab) as fence:
        fence.start_net().serves()
        waiting = []
        with lab.host.listen(9381, "127.0.0.1"):
            fence.move("127.0.0.1:9381")
            wait_until(lambda: fence.warnings("cannot listen"), 5, "it is told")
            fence.process.send_signal(signal.SIGSTOP)
            with contextlib.suppress(BlockingIOError):
                while len(waiting) < 1000:
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(str(fence.net_socket))
        try:
            wait_until(lambda: "serving metrics address=127.0.0.1:9381" in
                       fence.net.log.read_text(), 10, "it listens")
        finally:
            for connection in waiting:
                connection.close()
            fence.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not fence.warnings("cannot listen"), 10, "it knows")
        fence.serves(port=9381)


def test_two_of_them_do_not_drive_each_other_out_for_ever_without_a_pause(lab):
    with Guarded(lab) as fence:
        first = fence.start_net().net
        fence.serves()
        second = fence.start_net().net

        def turns():  # of both: they share a log
            return first.log.read_text().count("connected to the agent")
        try:
            wait_until(lambda: turns() >= 7, 20, "they quarrel")
            before = turns()
            time.sleep(3)  # a measurement: it would be six
            assert turns() - before <= 3
        finally:
            fence.net = first
            assert end(second, signal.SIGTERM) == 0


@pytest.mark.parametrize("path", ["", "/" + "x" * 108])
def test_a_path_that_no_socket_can_have_is_wrong_usage(path):
    done = subprocess.run([BEAMFENCE_NET, "--socket", path], capture_output=True, text=True,
                          check=False, timeout=10)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--socket" in done.stderr
