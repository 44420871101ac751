# SPDX-License-Identifier: BSD-2-Clause
"""Traffic that is none of the filter's business, and an Erlang distribution connection, end to end:
without a filter, with it, with nft doing the same job, and each under a flood from the client side.

The flood has one CPU, as if it came from elsewhere; what is measured shares the other one.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from kit import erlang  # noqa: E402
from kit import lab as labs  # noqa: E402
from kit.fence import Fence  # noqa: E402

HERE = pathlib.Path(__file__).parent
FLOOD, STREAM = labs.BUILD / "flood", labs.BUILD / "stream"
FLOOD_CPU, CPU = 0, 1
PORT, NODE_PORT = 8080, 9100
NFT = """table inet same {
    chain input { type filter hook input priority 0;
        iifname client0 tcp dport { 4369, 9100-9155 } drop;
        iifname cluster0 tcp dport { 4369, 9100-9155 } ip saddr != 10.77.2.0/24 drop; }
}
"""


class Path:
    """A host with a service and a node, its client and its peer, and nothing between them."""

    name, needs = "without", None

    def __init__(self, beam):
        self.lab = labs.Lab("client", "peer")
        try:
            self.lab.host.run("ethtool", "-K", "client0", "gro", "on")
            self.prepare()
            self._serve(beam)
        except BaseException:
            self.lab.close()
            raise

    def prepare(self):
        pass

    def _serve(self, beam):
        lab = self.lab
        lab.popen(lab.host, pinned(STREAM, "serve", PORT), "stream.log")
        labs.wait_until(lambda: lab.client.probe(lab.client.host4, PORT) == "open", 5, "service")
        erlang.start_epmd(lab)
        erlang.start_node(lab, "app", NODE_PORT, options=(
            "-pa", beam, "-eval", "distribution:start()."), before=pinned())

    def measure(self, beam, seconds, flooded):
        """{name of the figure: number}"""
        with self._flood() if flooded else contextlib.nullcontext():
            client, host = self.lab.client, self.lab.client.host4
            pushed = float(client.run(*pinned(STREAM, "push", host, PORT, seconds)))
            asked = map(float, client.run(*pinned(STREAM, "ask", host, PORT, seconds)).split())
            argv = erlang.command(self.lab, self.lab.peer, f"asks{os.getpid()}@peer.lab",
                                  "inet_tcp", "-hidden", "-dist_listen", "false", "-pa", beam,
                                  "-eval", "distribution:measure('app@host.lab').")
            said = erlang.result(self.lab.popen(self.lab.peer, pinned(*argv), "asks.log",
                                                stdout=subprocess.PIPE, text=True,
                                                env=erlang.ENVIRONMENT), timeout=60)
        numbers = [pushed, *asked, *map(float, said.split())]
        if len(numbers) != len(FIGURES):
            raise labs.LabError(f"{self.name}: the distribution said \"{said}\"")
        return dict(zip(FIGURES, numbers))

    @contextlib.contextmanager
    def _flood(self):
        flood = self.lab.popen(self.lab.client, [
            FLOOD, "eth0", self.lab.host.mac("client0"), 60, "one", FLOOD_CPU], "flood.log")
        try:
            yield
            if flood.poll() is not None:
                raise labs.LabError(f"the flood ended: {flood.log.read_text()}")
        finally:
            labs.end(flood)


class Filtered(Path):
    name = "beamfence"

    def prepare(self):
        Fence(self.lab).start()


class Passing(Path):
    name = "XDP, passes everything"

    def prepare(self):
        for interface in ("client0", "cluster0"):
            self.lab.host.ip("link", "set", interface, "xdpdrv", "obj",
                             labs.BUILD / "pass.bpf.o", "sec", "xdp.frags")


class SameByNft(Path):
    name, needs = "nft", "nft"

    def prepare(self):
        self.lab.host.run("nft", "-f", "-", input=NFT)


FIGURES = {  # name: unit, and whether more is better
    "TCP throughput": ("bytes/s", True), "TCP requests": ("requests/s", True),
    "TCP latency, median": ("ns", False), "TCP latency, 99 %": ("ns", False),
    "distribution, messages": ("messages/s", True),
    "distribution, throughput": ("bytes/s", True),
    "distribution, latency, median": ("ns", False),
    "distribution, latency, 99 %": ("ns", False)}
TARGETS = {"TCP throughput": 0.99, "distribution, throughput": 0.99,
           "distribution, messages": 0.99, "TCP latency, median": 1.01,
           "distribution, latency, median": 1.01}


def pinned(*argv):
    return ["taskset", "-c", CPU, *argv] if argv else ["taskset", "-c", str(CPU)]


def _ratios(measured, one, other, figure):
    return [a[figure] / b[figure] for a, b in zip(measured[one], measured[other])]


def _report(report, measured, rounds):
    report.title(f"end to end, {rounds} rounds")
    for figure, (unit, _) in FIGURES.items():
        for (name, flooded), found in measured.items():
            report.add("traffic", f"{figure}: {name}{', flood' if flooded else ''}",
                       [one[figure] for one in found], unit)
    report.title("beamfence by another, the same round")
    for figure, (_, more_is_better) in FIGURES.items():
        for name in dict.fromkeys(name for name, _ in measured):
            if name == Filtered.name:
                continue
            target = TARGETS.get(figure) if name == Path.name else None
            report.add("traffic", f"{figure}: by {name}",
                       _ratios(measured, (Filtered.name, False), (name, False), figure), "",
                       **{"at_least" if more_is_better else "at_most": target})
    for name in dict.fromkeys(name for name, _ in measured):
        report.add("traffic", f"distribution, 99 %: {name}, flood by none",
                   _ratios(measured, (name, True), (name, False), "distribution, latency, 99 %"),
                   "", at_most=1.5 if name == Filtered.name else None)


def run(report, rounds, seconds):
    if len(os.sched_getaffinity(0)) < 2:
        report.skip("traffic", "end to end", "one CPU: the flood needs its own")
        return
    with contextlib.ExitStack() as stack:
        paths = []
        for kind in (Path, Filtered, Passing, SameByNft):
            if kind.needs and not shutil.which(kind.needs):
                report.skip("traffic", kind.name, f"no {kind.needs}")
                continue
            beam = labs.BUILD.resolve()
            paths.append(kind(beam))
            stack.callback(paths[-1].lab.close)
        measured = {(path.name, flooded): [] for path in paths for flooded in (False, True)}
        for _ in range(rounds):
            for path in paths:
                for flooded in (False, True):
                    measured[path.name, flooded].append(path.measure(beam, seconds, flooded))
    _report(report, measured, rounds)
