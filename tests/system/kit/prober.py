# SPDX-License-Identifier: BSD-2-Clause
"""Asks all the time: connection attempts without a pause, each of which has one right answer."""
import collections
import errno
import selectors
import socket
import threading
import time

from kit.lab import family_of

PAUSE = 0.004  # between two attempts: 250 a second, over all targets
SILENT, OPEN = "silent", "open"
# How long an attempt is waited for. An answer would come at once; a lost SYN is sent again by then.
PATIENCE = {SILENT: 1.0, OPEN: 4.0}

Target = collections.namedtuple("Target", "namespace address port answer")


class Prober:
    """A thread that tries the targets in turn, with many attempts under way. A context manager.

    `wrong` lists what was not as it should be, as (seconds since the start, target, what happened).
    """

    def __init__(self, *targets):
        self.asked = collections.Counter()
        self.wrong = []
        self._targets = [Target(*target) for target in targets]
        self._pending = collections.deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)

    def check(self, at_least):
        """Nothing was wrong, and each target was asked that often."""
        assert not self._thread.is_alive()
        said = [(f"{when:.2f} s", target.namespace.name, target.address, target.port, what)
                for when, target, what in self.wrong]
        assert not said, f"{len(said)} of {self.asked.total()}: {said[:10]}"
        for target in self._targets:
            assert self.asked[target] >= at_least, f"{target}: {self.asked[target]}"

    def _run(self):
        with selectors.DefaultSelector() as selector:
            while not self._stop.is_set():
                for target in self._targets:
                    self._start(selector, target)
                    self._read(selector, PAUSE)
            end = time.monotonic() + max(PATIENCE.values())
            while self._pending and time.monotonic() < end:
                self._read(selector, 0.05)

    def _start(self, selector, target):
        attempt = target.namespace.socket(family_of(target.address))
        attempt.setblocking(False)
        now = time.monotonic()
        self.asked[target] += 1
        problem = attempt.connect_ex((target.address, target.port))
        if problem not in (0, errno.EINPROGRESS):
            self._judge(target, errno.errorcode[problem])
            attempt.close()
            return
        selector.register(attempt, selectors.EVENT_WRITE, target)
        self._pending.append((now, attempt, target))

    def _read(self, selector, pause):
        for key, _ in selector.select(pause):
            problem = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._judge(key.data, OPEN if not problem else errno.errorcode[problem])
            selector.unregister(key.fileobj)
            key.fileobj.close()
        while self._pending:
            began, attempt, target = self._pending[0]
            if attempt.fileno() >= 0:
                if time.monotonic() - began < PATIENCE[target.answer]:
                    break
                self._judge(target, SILENT)
                selector.unregister(attempt)
                attempt.close()
            self._pending.popleft()

    def _judge(self, target, what):
        if what != target.answer:
            self.wrong.append((time.monotonic() - self._began, target, what))
