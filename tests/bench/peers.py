# SPDX-License-Identifier: BSD-2-Clause
"""How soon a peer that is added or removed at run time is so: "peers.py [CONFIGURED ...]".

A reply comes when the change is in force and, with a state directory, on disk. Without one the
round trip is thus an upper bound of the time until a change takes effect. Prints milliseconds.
"""
import json
import pathlib
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from kit.fence import Fence  # noqa: E402
from kit.lab import Lab, unwind_on_signals  # noqa: E402

ROUNDS = 200


def addresses(count):
    """That many prefixes of one length, none of which is 192.0.2.0/24's."""
    return [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(count)]


class Client:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._replies = self._socket.makefile()

    def ask(self, command, **arguments):
        """Milliseconds until the reply."""
        line = json.dumps({"version": 1, "command": command, "arguments": arguments}) + "\n"
        started = time.perf_counter()
        self._socket.sendall(line.encode())
        reply = self._replies.readline()
        took = time.perf_counter() - started
        assert json.loads(reply)["ok"], reply
        return took * 1000


def show(name, times):
    times.sort()
    print(f"{name:42} {statistics.median(times):8.3f} {times[int(len(times) * 0.99) - 1]:8.3f} "
          f"{times[-1]:8.3f}", flush=True)


def measure(lab, configured, kept):
    fence = Fence(lab)
    if not kept:
        fence.state = pathlib.Path("/nonexistent/state")
    fence.configure(clusters=[{"name": "app", "ports": "9100", "peers": addresses(configured)}])
    fence.launch()
    fence.wait_for("READY=1", timeout=60)
    try:
        client = Client(fence.socket)
        prefixes = [f"192.0.2.{i}" for i in range(ROUNDS)]
        what = f"{configured:,} peers, {'on disk' if kept else 'in force'}"
        for command in ("peers.add", "peers.del"):
            times = [client.ask(command, cluster="app", prefix=prefix) for prefix in prefixes]
            show(f"{command}, {what}", times)
    finally:
        fence.close()


def main():
    unwind_on_signals()
    print(f"{'milliseconds':42} {'median':>8} {'99 %':>8} {'most':>8}")
    with Lab("client") as lab:
        for configured in [int(word) for word in sys.argv[1:]] or [1, 1000000]:
            for kept in (False, True):
                measure(lab, configured, kept)


if __name__ == "__main__":
    main()
