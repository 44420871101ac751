# SPDX-License-Identifier: BSD-2-Clause
"""beamfence top: a screen of 80 by 24 that leaves the terminal as it was."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from kit.fence import BEAMFENCE, Fence
from kit.frames import IP, TCP, to_host
from kit.lab import wait_until

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """top in a pseudo-terminal."""

    def __init__(self, lab, fence, rows=24, columns=80):
        self._master, self._slave = pty.openpty()
        self.resize(rows, columns, None)
        self.before = termios.tcgetattr(self._slave)
        self.output = b""
        self.process = lab.popen(
            lab.host, [BEAMFENCE, "--socket", fence.socket, "top"], "top.log", stdin=self._slave,
            stdout=self._slave, env={"TERM": "xterm"}, start_new_session=True)

    def close(self):
        os.close(self._master)
        os.close(self._slave)

    def resize(self, rows, columns, process):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if process:
            process.send_signal(signal.SIGWINCH)

    def attributes(self):
        return termios.tcgetattr(self._slave)

    def read(self):
        while select.select([self._master], [], [], 0)[0]:
            self.output += os.read(self._master, 65536)
        return self.output

    def wait(self, pattern, timeout=5):
        return wait_until(lambda: re.search(pattern, self.read()), timeout, pattern)

    def press(self, key):
        os.write(self._master, key)

    def ended(self):
        """What is left behind: exit status, and whether the terminal is as it was."""
        status = self.process.wait(5)
        assert self.read().count(ENTER) == self.output.count(LEAVE) > 0
        assert self.output.rstrip().endswith(LEAVE)
        assert self.attributes() == self.before
        return status

    def screens(self):
        """Each screen as its lines."""
        return [[re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line) for line in
                 one.split(b"\x1b[J")[0].decode().split("\r\n")]
                for one in self.read().split(b"\x1b[H")[1:]]


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab) as fence:
        yield fence


@pytest.fixture(name="terminal")
def _terminal(lab, fence):
    terminal = Terminal(lab, fence)
    terminal.wait(re.escape(ENTER))
    yield terminal
    terminal.close()


def knock(lab, count=50):
    header = to_host(lab, lab.client)
    with lab.client.wire("eth0") as wire:
        for last in range(count):
            wire.send(header / IP(src=f"203.0.113.{last}", dst=lab.client.host4)
                      / TCP(dport=4369, flags="S"))


def test_shows_rates_within_the_screen_and_q_leaves_it_as_it_was(lab, terminal):
    assert terminal.attributes() != terminal.before
    terminal.wait(rb"INTERFACE")

    def attacked():
        knock(lab)
        return re.search(rb"203\.0\.113\.\d+ +4369 +client0 +client-new +drop", terminal.read())
    wait_until(attacked, 5, "the source")
    screen = terminal.screens()[-1]
    assert len(screen) <= 24 and max(map(len, screen)) <= 80
    assert any(re.search(r"client-new +drop +[\d.]+$", line.rstrip()) for line in screen)
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_resizes_and_stops_and_goes_on(terminal):
    terminal.wait(rb"INTERFACE")
    terminal.resize(10, 30, terminal.process)
    wait_until(lambda: len(terminal.screens()[-1]) <= 10 and
               max(map(len, terminal.screens()[-1])) <= 30, 5, "a smaller screen")
    terminal.process.send_signal(signal.SIGTSTP)
    wait_until(lambda: terminal.read().count(LEAVE), 5, "the former screen")
    stat = f"/proc/{terminal.process.pid}/stat"

    def state():
        with open(stat, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]
    wait_until(lambda: state() == "T", 5, "it is stopped")
    assert terminal.attributes() == terminal.before
    terminal.process.send_signal(signal.SIGCONT)
    wait_until(lambda: terminal.read().count(ENTER) == 2, 5, "the screen again")
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_leaves_the_terminal_as_it_was_when_it_is_ended_and_when_the_agent_is(lab, fence):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.closing(Terminal(lab, fence)) as terminal:
            terminal.wait(re.escape(ENTER))
            terminal.process.send_signal(number)
            assert terminal.ended() == 0
    with contextlib.closing(Terminal(lab, fence)) as terminal:
        terminal.wait(re.escape(ENTER))
        when_the_agent_ends(terminal, fence)


def when_the_agent_ends(terminal, fence):
    fence.end()
    assert terminal.process.wait(5) == 3
    assert "no agent answers" in terminal.process.log.read_text()
    assert terminal.read().count(LEAVE) == 1
    assert terminal.attributes() == terminal.before


def test_without_a_terminal_it_refuses_and_once_prints(lab, fence):
    refused = fence.ask("top")
    assert refused.returncode == 2 and "--once" in refused.stderr and not refused.stdout
    process = subprocess.Popen([BEAMFENCE, "--socket", fence.socket, "top", "--once"],
                               stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        knock(lab)
        time.sleep(0.01)
    text = process.communicate()[0]
    assert process.returncode == 0 and "\x1b" not in text
    assert re.search(r"^client0 +client ", text, re.MULTILINE)
    assert re.search(r"^203\.0\.113\.\d+ +4369 +client0 +client-new +drop ", text, re.MULTILINE)
