# SPDX-License-Identifier: BSD-2-Clause
"""Law 5: killed between any two steps, what is in force is the old policy or the new, whole.

strace kills the agent at the Nth call of a kind, for every N that is asked for: each call that
changes anything outside the process is one of these. Then, with no agent alive, the pinned programs
are run over a table of frames that tells the two policies apart at every interface.
"""
import collections
import itertools
import os
import socket
import time

import pytest

import other_build
from devices import detach_link
from erlang import start_epmd
from fence import samples
from frames import knock_from_everywhere
from lab import Lab, end, wait_until
from points import EVERYWHERE, NEW, OLD, Subject, each_point, one_of

STATE_CALLS = ("unlinkat", "openat", "write", "fsync", "renameat")


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "peer2", "stranger") as lab:
        yield lab


@pytest.fixture(name="next_version", scope="module")
def _next_version(lab):
    directory = lab.directory / "next"
    directory.mkdir()
    return other_build.build(directory, layout=True)


@pytest.fixture(name="subject", scope="module")
def _subject(lab):
    subject = Subject(lab)
    yield subject
    subject.fence.close()


def test_killed_start_has_fenced_nothing_or_all(subject):
    def attempt(point):
        subject.detach()
        done = subject.start(OLD, point=point)
        found = one_of(subject.verdicts(), nothing=subject.nothing, new=subject.old)
        assert not done or found == "new"
        subject.fence.kill()
        return done, found

    each_point("start where nothing was", attempt)


def test_killed_restart_leaves_the_old_policy_or_the_new(subject):
    def attempt(point):
        subject.start(OLD)
        subject.fence.kill()
        assert subject.verdicts() == subject.old
        done = subject.start(NEW, point=point)
        found = one_of(subject.verdicts(), old=subject.old, new=subject.new)
        assert not done or found == "new"
        subject.fence.kill()
        return done, found

    each_point("restart with another configuration", attempt)


def test_killed_reload_leaves_the_old_policy_or_the_new(subject):
    def attempt(point):
        subject.start(OLD)
        subject.fence.configure(**NEW)
        done = subject.asked(point, "reload")
        found = one_of(subject.verdicts(), old=subject.old, new=subject.new)
        assert not done or found == "new"
        subject.fence.kill()
        return done, found

    each_point("reload", attempt, densely=True)


def test_reload_killed_at_any_time_leaves_the_old_policy_or_the_new(subject):
    """Between its calls it writes tables that it shares with the kernel."""
    fence, count = subject.fence, 50 if EVERYWHERE else 4

    def reload_for(seconds):
        """Lets it go on for so long, and kills it. Without: lets it end, and returns how long."""
        subject.start(OLD)
        fence.configure(**NEW)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(fence.socket))
            connection.sendall(b'{"version": 1, "command": "reload"}\n')
            began = time.perf_counter()
            if seconds is None:
                connection.recv(1)
            while seconds and time.perf_counter() < began + seconds:
                pass
            took = time.perf_counter() - began
            fence.kill()
        return took

    whole = reload_for(None)
    found = collections.Counter()
    for number in range(1, count + 1):
        reload_for(whole * 2 * number / count)
        found[one_of(subject.verdicts(), old=subject.old, new=subject.new)] += 1
    print(f"\nreload, killed at {count} times in {whole * 2000:.0f} ms: {dict(found)}")


def test_killed_upgrade_goes_on_watching_listeners_and_counts_them_once(subject, next_version):
    """With no agent alive a new epmd is protected, and its port is free again when it ends."""
    lab, fence = subject.lab, subject.fence

    def attempt(point):
        subject.start(OLD)
        before = start_epmd(lab, port=4400)
        fence.kill()
        done = subject.start(OLD, agent=next_version, point=point)
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
        return done, "old and new listeners"

    each_point("upgrade, with listeners", attempt,
               every={"rename": 2, "unlink": 2, "bpf": 4} if EVERYWHERE
               else {"rename": 4, "unlink": 5})


def test_upgrade_goes_on_counting_what_the_frames_do_not_tell(subject, next_version):
    """How often the filter was put back, and the events that were lost."""
    def reattached():
        return {labels[0][1]: value for (name, labels), value in
                samples(subject.fence.metrics()).items()
                if name == "beamfence_interface_reattached_total"}

    def lost():
        return samples(subject.fence.metrics())["beamfence_events_lost_total", ()]

    subject.start(OLD)
    knock_from_everywhere(subject.lab, subject.lab.client, 1000)
    wait_until(lambda: lost() >= 1000 - 2 * 256, 5, "events are lost")
    index = subject.lab.host.ip("-o", "link", "show", "client0").split(":")[0]
    detach_link(subject.fence.pins / f"link-{index}")
    wait_until(lambda: reattached()["client0"] == 1, 10, "the filter is back")
    before = lost()
    subject.fence.kill()
    subject.start(OLD, agent=next_version)
    assert reattached()["client0"] == 1
    assert lost() >= before
    subject.detach()


def test_killed_upgrade_to_another_layout_is_gone_on_with(subject, next_version):
    """Link by link here: but each interface is judged by the old or by the new at any moment."""
    def upgrade(point, **more):
        subject.start(OLD)
        counted = subject.fence.count(reason="client-new")
        subject.fence.kill()
        return subject.start(OLD, agent=next_version, point=point, **more), counted

    def attempt(point):
        done, counted = upgrade(point)
        found = one_of(subject.verdicts(), same=subject.old)
        subject.fence.kill()
        subject.start(NEW, agent=next_version)
        assert subject.fence.count(reason="client-new") > counted
        assert not list(subject.fence.pins.glob("*-next"))
        subject.detach()
        return done, found

    each_point("upgrade to another layout", attempt, skip=subject.look_ups(upgrade),
               every=None if EVERYWHERE else {"bpf": 80, "rename": 3, "unlink": 8})


def test_killed_while_it_keeps_a_peer_the_agent_loses_none_that_it_promised(subject):
    """The file is written by a thread of its own, which is the one to be killed at a point."""
    fence, number = subject.fence, itertools.count(1)
    promised = set()

    def attempt(point):
        subject.start(OLD)
        before = peers(fence)
        assert promised <= before, "a peer is lost that was promised"
        prefix = f"10.99.0.{next(number)}/32"
        wait_until(lambda: saver(fence), 5, "the thread that writes")
        done = subject.asked(point, "peers", "add", "app", prefix, thread=saver(fence))
        promised.update({prefix} if done else ())
        fence.kill()
        subject.start(OLD)
        after = peers(fence)
        assert after - before <= {prefix} and before <= after
        assert done <= (prefix in after)
        assert "runtime peers are lost" not in fence.log()
        fence.kill()
        return done, "new" if prefix in after else "old"

    each_point("adding a peer, in the thread that keeps it", attempt, dict.fromkeys(STATE_CALLS, 1))


def saver(fence):
    """The second thread of the agent, once it is there."""
    threads = {int(one) for one in os.listdir(f"/proc/{fence.process.pid}/task")}
    return next(iter(threads - {fence.process.pid}), None)


def peers(fence):
    return {one["prefix"] for one in fence.json("peers")}
