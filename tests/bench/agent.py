# SPDX-License-Identifier: BSD-2-Clause
"""The agent: how long it takes to start, reload and change one peer, what memory it and its maps
hold, how often it wakes up when nothing happens, and how long a scrape takes."""
import json
import pathlib
import re
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from kit import lab as labs  # noqa: E402
from kit.fence import Fence  # noqa: E402
from peers import Client, addresses  # noqa: E402

COUNTS = (10, 10_000, 1_000_000)
MOST = COUNTS[-1]
MIB = 1 << 20
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


def resident(pid):
    """Bytes of memory that the agent has, pages of libraries and of mapped tables included."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


def map_memory(fence):
    """Bytes that the kernel holds for all pinned maps, and for the tables of peers within one."""
    maps = {}
    for path in fence.pins.iterdir():
        if path.name.startswith("link"):
            continue
        try:
            one = json.loads(labs.run(BPFTOOL, "-j", "map", "show", "pinned", path))
        except labs.LabError:
            continue  # a link or a program
        maps[one["id"]] = one["bytes_memlock"]
        if one["type"] == "array_of_maps":
            for entry in json.loads(labs.run(BPFTOOL, "-j", "map", "dump", "pinned", path)):
                if number := int.from_bytes(
                        bytes(int(byte, 16) for byte in entry["value"]), "little"):
                    inner = json.loads(labs.run(BPFTOOL, "-j", "map", "show", "id", number))
                    maps[number] = inner["bytes_memlock"]
    return sum(maps.values())


def wake_ups(pid):
    """How often any thread of the agent gave up its CPU to wait."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(),
                             re.MULTILINE)[1])
               for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


def timed(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Measured:
    """An agent with that many peers, and what it took so far, by the name of the figure."""

    def __init__(self, lab, count):
        self._fence = Fence(lab)
        self._settings = {"clusters": [{"name": "app", "ports": "9100",
                                        "peers": addresses(count)}]}
        self._fence.configure(**self._settings)
        self.took = {}

    def _note(self, name, value):
        self.took.setdefault(name, []).append(value)

    def restart(self):
        def start():
            self._fence.launch()
            self._fence.wait_for("READY=1", timeout=120)
        if self._fence.process:
            self._fence.end()
        self._note("start", timed(start))

    def reload(self):
        self._note("reload", timed(lambda: self._fence.run(
            "--socket", self._fence.socket, "reload", timeout=120).check_returncode()))

    def change(self, rounds):
        """Without a place for its state: a change counts before it is kept."""
        state, self._fence.state = self._fence.state, pathlib.Path("/nonexistent/state")
        self.restart()
        client = Client(self._fence.socket)
        for number in range(rounds):
            for command in ("peers.add", "peers.del"):
                self._note("one change", client.ask(
                    command, cluster="app", prefix=f"192.0.2.{number}") / 1000)
        self._fence.state = state
        self.restart()
        self.reload()

    def scrape(self, rounds):
        for _ in range(rounds):
            self._note("scrape", timed(self._fence.metrics))

    def rest(self, seconds):
        pid = self._fence.process.pid
        before = wake_ups(pid)
        time.sleep(seconds)  # this is what is measured
        self.took["wake-ups"] = [(wake_ups(pid) - before) / seconds]
        self.took["memory"] = [resident(pid) / MIB]
        self.took["maps"] = [map_memory(self._fence) / MIB]

    def close(self):
        self._fence.close()


def _show(report, count, took):
    text = f"{count:,} peers"
    report.title(f"agent with {text}")
    most = count == MOST
    report.add("agent", f"start, {text}", took["start"], "s", at_most=3 if most else None,
               peers=count)
    report.add("agent", f"reload, {text}", took["reload"], "s", at_most=3 if most else None,
               peers=count)
    report.add("agent", f"one change, {text}", [one * 1000 for one in took["one change"]], "ms",
               at_most=1 if most else None, peers=count)
    report.add("agent", f"scrape, {text}", [one * 1000 for one in took["scrape"]], "ms",
               peers=count)
    report.add("agent", f"wake-ups at rest, {text}", took["wake-ups"], "/s", peers=count)
    report.add("agent", f"memory of the agent, {text}", took["memory"], "MiB",
               at_most=8 if count == COUNTS[0] else None, peers=count)
    report.add("agent", f"memory of its maps, {text}", took["maps"], "MiB", peers=count)
    report.add("agent", f"memory of both, {text}", took["memory"][0] + took["maps"][0], "MiB",
               at_most=250 if most else None, peers=count)


def run(report, rounds, seconds):
    with labs.Lab("client") as lab:
        for count in COUNTS:
            measured = Measured(lab, count)
            try:
                for _ in range(rounds):
                    measured.restart()
                    measured.reload()
                measured.change(100)
                measured.scrape(20)
                measured.rest(seconds)
            finally:
                measured.close()
            _show(report, count, measured.took)
