# SPDX-License-Identifier: BSD-2-Clause
"""Law 5: killed between any two steps, what is in force is the old policy or the new, whole.

strace kills the agent at the Nth call of a kind, for every N that is asked for: each call to the
kernel that changes anything there is one of these. Then, with no agent alive, the pinned programs
are run over a table of frames that tells the two policies apart at every interface.
"""
import os
import subprocess

import pytest

import bpf
import other_build
from devices import detach_link
from erlang import start_epmd
from fence import APP, DB, Fence, samples
from lab import Lab, end, wait_until

# Of the points of each kind every so many are tried, or each: "make soak" does.
EVERY = {"bpf": 40, "rename": 1, "unlink": 4}
if os.environ.get("BEAMFENCE_KILL_EVERYWHERE"):
    EVERY = dict.fromkeys(EVERY, 1)
INTERFACES = ("client0", "cluster0", "cluster1", "cluster2")
SOURCES = ("10.77.2.2", "10.77.3.2", "10.77.4.2")
PORTS = (80, 4369, 9101, 9201, 9301)
OLD = {"client": ["client0"], "cluster": ["cluster0", "cluster1"], "trusted": ["cluster1.120"],
       "clusters": (APP, DB)}
NEW = {"client": ["cluster0"], "cluster": ["client0", "cluster2.120"], "trusted": ["cluster2"],
       "clusters": ({**DB, "ports": "9100-9155"}, {**APP, "ports": "9300-9355"})}


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "peer2", "stranger") as lab:
        yield lab


@pytest.fixture(name="next_version", scope="module")
def _next_version(lab):
    directory = lab.directory / "next"
    directory.mkdir()
    return other_build.build(directory, layout=True)


class Subject:
    """An agent to be killed at a point, and the tables that may be found then."""

    def __init__(self, lab):
        self.lab, self.fence = lab, Fence(lab)
        self.agent = self.fence.command()[0]
        self.nothing = self.verdicts()
        self.old, self.new = self.after(OLD), self.after(NEW)
        assert len({str(self.nothing), str(self.old), str(self.new)}) == 3

    def verdicts(self):
        return bpf.verdicts(self.lab, self.fence.pins, INTERFACES, SOURCES, PORTS)

    def after(self, settings):
        self.start(settings)
        self.fence.kill()
        return self.verdicts()

    def start(self, settings, agent=None, kill=None):
        """Starts an agent, to be killed at a point (call, number). Whether it got to its end."""
        tracer = ["strace", "-D", *injection(kill)] if kill else []
        argv = [*tracer, agent or self.agent, *Fence.command(self.fence)[1:]]
        self.fence.command = lambda: argv
        self.fence.configure(**settings)
        self.fence.launch()
        try:
            self.fence.wait_for("READY=1", 20)
        except Exception:
            if not kill or self.fence.process.poll() != -9:
                raise
            return False
        return True

    def reload(self, kill):
        process = self.fence.process
        tracer = self.lab.popen(self.lab.host, ["strace", *injection(kill), "-p", process.pid], "strace.log")
        wait_until(lambda: f"TracerPid:\t{tracer.pid}" in status(process), 5, "strace is there")
        done = self.fence.ask("reload").returncode == 0
        if not done:
            process.wait(5)
        end(tracer)
        return done

    def detach(self):
        self.fence.kill()
        self.fence.run("detach", "--pin-dir", self.fence.pins)
        assert not self.fence.pins.exists(), list(self.fence.pins.iterdir())


def status(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return file.read()


def injection(kill):
    call, number = kill
    return ["-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
            f"inject={call}:signal=KILL:when={number}"]


@pytest.fixture(name="subject", scope="module")
def _subject(lab):
    subject = Subject(lab)
    yield subject
    subject.fence.close()


def each_point(attempt, densely=False):
    """Lets attempt(point) run for the points of each call until it gets to its end."""
    for call, every in EVERY.items():
        number, step = 1, max(1, every // 10) if densely else every
        while not attempt((call, number)):
            number += step
        assert number > step or call == "rename", f"the agent was never killed at {call}"


def test_killed_start_has_fenced_nothing_or_all(subject):
    def attempt(point):
        subject.detach()
        done = subject.start(OLD, kill=point)
        assert subject.verdicts() in ((subject.old,) if done else (subject.nothing, subject.old))
        subject.fence.kill()
        return done

    each_point(attempt)


def test_killed_restart_leaves_the_old_policy_or_the_new(subject):
    def attempt(point):
        subject.start(OLD)
        subject.fence.kill()
        assert subject.verdicts() == subject.old
        done = subject.start(NEW, kill=point)
        assert subject.verdicts() in ((subject.new,) if done else (subject.old, subject.new))
        subject.fence.kill()
        return done

    each_point(attempt)


def test_killed_reload_leaves_the_old_policy_or_the_new(subject):
    def attempt(point):
        subject.start(OLD)
        subject.fence.configure(**NEW)
        done = subject.reload(kill=point)
        assert subject.verdicts() in ((subject.new,) if done else (subject.old, subject.new))
        subject.fence.kill()
        return done

    each_point(attempt, densely=True)


def test_killed_upgrade_goes_on_watching_listeners_and_counts_them_once(subject, next_version):
    """With no agent alive a new epmd is protected, and its port is free again when it ends."""
    lab, fence = subject.lab, subject.fence

    def attempt(point):
        subject.start(OLD)
        before = start_epmd(lab, port=4400)
        fence.kill()
        done = subject.start(OLD, agent=next_version, kill=point)
        fence.kill()
        after = start_epmd(lab, port=4401)
        assert lab.client.probes((lab.client.host4, 4400), (lab.client.host4, 4401),
                                 timeout=0.3) == ["silent"] * 2
        subject.start(OLD, agent=next_version)
        for epmd, port in ((before, 4400), (after, 4401)):
            end(epmd)
            fence.without_port(port=port)
            assert lab.client.probe(lab.client.host4, port, 0.5) == "refused"
        subject.detach()
        return done

    for call in ("rename", "unlink"):
        number = 1
        while not attempt((call, number)):
            number += 2


def test_upgrade_goes_on_counting_how_often_the_filter_was_put_back(subject, next_version):
    def reattached():
        return {labels[0][1]: value for (name, labels), value in
                samples(subject.fence.metrics()).items()
                if name == "beamfence_interface_reattached_total"}

    subject.start(OLD)
    index = subject.lab.host.ip("-o", "link", "show", "client0").split(":")[0]
    detach_link(subject.fence.pins / f"link-{index}")
    wait_until(lambda: reattached()["client0"] == 1, 10, "the filter is back")
    subject.fence.kill()
    subject.start(OLD, agent=next_version)
    assert reattached()["client0"] == 1
    subject.detach()


def test_killed_upgrade_to_another_layout_is_gone_on_with(subject, next_version):
    """Link by link here: but each interface is judged by the old or by the new at any moment."""
    def attempt(point):
        subject.start(OLD)
        counted = subject.fence.count(reason="client-new")
        subject.fence.kill()
        done = subject.start(OLD, agent=next_version, kill=point)
        assert subject.verdicts() == subject.old
        subject.fence.kill()
        subject.start(NEW, agent=next_version)
        assert subject.fence.count(reason="client-new") > counted
        assert not list(subject.fence.pins.glob("*-next"))
        subject.detach()
        return done

    each_point(attempt)
