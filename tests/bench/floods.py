# SPDX-License-Identifier: BSD-2-Clause
"""Floods over veth: what each way to drop a SYN for EPMD's port drops a second, and its CPU time.

Live frames from one CPU, which also receives them: a frame's cost is that of both ends. The ways
take turns, each in namespaces of its own.
"""
import contextlib
import json
import pathlib
import re
import resource
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from kit import lab as labs  # noqa: E402
from kit.fence import Fence  # noqa: E402

FLOOD = labs.BUILD / "flood"
CPU = 0
NFT_INGRESS = ("table netdev flood { chain in { type filter hook ingress device client0 priority 0;"
               " tcp dport 4369 counter drop; };};")
NFT_INPUT = ("table inet flood { chain in { type filter hook input priority 0;"
             " tcp dport 4369 counter drop; };};")


def _softirq_thread():
    """Takes over, on the flood's CPU, what is too much to be done at the end of an interrupt."""
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text() == f"ksoftirqd/{CPU}\n":
                return path.with_name("schedstat")
    raise labs.LabError(f"no ksoftirqd/{CPU}")


def cpu_seconds(thread):
    """CPU time of ended children, and of that thread."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (children.ru_utime + children.ru_stime + int(thread.read_text().split()[0]) / 1e9)


class Way:
    """One way to drop: its own host and client. `dropped()` counts."""

    name = needs = None

    def __init__(self):
        self.lab = labs.Lab("client")
        try:
            # Live frames reach a veth that polls, as one with XDP does.
            self.lab.host.run("ethtool", "-K", "client0", "gro", "on")
            self.prepare()
        except BaseException:
            self.lab.close()
            raise

    def prepare(self):
        raise NotImplementedError

    def dropped(self):
        raise NotImplementedError

    def flood(self, seconds):
        """Frames offered and dropped a second, and nanoseconds of CPU time for each offered."""
        mac = self.lab.host.mac("client0")
        before, thread = self.dropped(), _softirq_thread()
        began = cpu_seconds(thread)
        said = self.lab.client.run(FLOOD, "eth0", mac, seconds, "one", CPU, timeout=60)
        busy, dropped = cpu_seconds(thread) - began, self.dropped() - before
        offered, took = re.match(r"(\d+) frames in ([\d.]+) s", said).groups()
        return int(offered) / float(took), dropped / float(took), busy * 1e9 / int(offered)


class Beamfence(Way):
    name = "beamfence"

    def prepare(self):
        self._fence = Fence(self.lab).start()

    def dropped(self):
        return self._fence.count(reason="client-new")


class DropAll(Way):
    """Its drops are those of the interface that the stack never saw."""

    name = "XDP, drops everything"

    def prepare(self):
        self.lab.host.ip("link", "set", "client0", "xdpdrv", "obj", labs.BUILD / "drop.bpf.o",
                         "sec", "xdp")

    def dropped(self):
        statistics = self.lab.host.run("ethtool", "-S", "client0")
        return sum(map(int, re.findall(r"rx_queue_\d+_xdp_drops: (\d+)", statistics)))


class NftIngress(Way):
    name, needs, rules = "nft ingress", "nft", NFT_INGRESS

    def prepare(self):
        self.lab.host.run("nft", self.rules)

    def dropped(self):
        listed = json.loads(self.lab.host.run("nft", "-j", "list", "ruleset"))["nftables"]
        rule = next(one["rule"] for one in listed if "rule" in one)
        return next(one["counter"]["packets"] for one in rule["expr"] if "counter" in one)


class NftInput(NftIngress):
    name, rules = "nft input", NFT_INPUT


class IptablesRaw(Way):
    name, needs = "iptables raw", "iptables"

    def prepare(self):
        self.lab.host.run("iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport",
                          "4369", "-j", "DROP")

    def dropped(self):
        listed = self.lab.host.run("iptables", "-t", "raw", "-vnxL", "PREROUTING")
        return int(re.search(r"^\s*(\d+)\s+\d+\s+DROP", listed, re.MULTILINE)[1])


WAYS = (Beamfence, DropAll, NftIngress, NftInput, IptablesRaw)
TARGETS = {DropAll.name: 0.95, NftIngress.name: 2.5, NftInput.name: 3.5, IptablesRaw.name: None}


def run(report, rounds, seconds):
    measured = {}
    with contextlib.ExitStack() as stack:
        ways = []
        for kind in WAYS:
            if kind.needs and not shutil.which(kind.needs):
                report.skip("flood", kind.name, f"no {kind.needs}")
                continue
            try:
                way = kind()
            except labs.LabError as problem:
                report.skip("flood", kind.name, str(problem).split("\n", maxsplit=1)[0])
                continue
            stack.callback(way.lab.close)
            ways.append(way)
            measured[way.name] = []
        for _ in range(rounds):
            for way in ways:
                measured[way.name].append(way.flood(seconds))
    report.title(f"a flood of SYNs over veth, {rounds} × {seconds} s each")
    for name, floods in measured.items():
        offered, dropped, cpu_ns = zip(*floods)
        report.add("flood", f"{name}: offered", list(offered), "frames/s")
        report.add("flood", f"{name}: dropped", list(dropped), "frames/s")
        report.add("flood", f"{name}: CPU time", list(cpu_ns), "ns/frame")
    # By CPU time: a second of the clock also holds what else the machine does.
    ours = [cpu_ns for _, _, cpu_ns in measured[Beamfence.name]]
    for name, target in TARGETS.items():
        if name in measured:
            ratios = [theirs[2] / own for own, theirs in zip(ours, measured[name])]
            report.add("flood", f"drops a CPU second, by {name}", ratios, "", at_least=target)
