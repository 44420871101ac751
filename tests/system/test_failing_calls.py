# SPDX-License-Identifier: BSD-2-Clause
"""Law 5: whichever call to the kernel fails half-way, the policy is the old one or the new, whole.

strace makes the Nth call of a kind fail, for every N that is asked for.
"""
import pytest

from kit.lab import Lab, wait_until
from kit.points import EVERYWHERE, NEW, OLD, Subject, each_point, one_of

NO_MEMORY = "error=ENOMEM"
EVERY = {"bpf": 1 if EVERYWHERE else 60}


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "peer2", "stranger") as lab:
        yield lab


@pytest.fixture(name="subject", scope="module")
def _subject(lab):
    subject = Subject(lab)
    yield subject
    subject.fence.close()


def without(subject, verdicts, left_out):
    """Verdicts where some interfaces have no filter."""
    return {frame: subject.nothing[frame] if frame[0] in left_out else verdict
            for frame, verdict in verdicts.items()}


def not_attached(fence):
    """The interfaces that the status says are left out, each with a reason."""
    rows = [one for one in fence.json("status")["interfaces"] if not one["attached"]]
    assert all(one["problem"] for one in rows)
    return {one["name"] for one in rows}


def test_reload_with_a_failing_call_is_refused_or_done_and_heals(subject):
    fence = subject.fence

    def attempt(point):
        subject.start(OLD)
        fence.configure(**NEW)
        done = subject.asked(point, "reload", happens=NO_MEMORY)
        left_out = not_attached(fence)
        found = one_of(subject.verdicts(), **(
            {"new": without(subject, subject.new, left_out)} if done else {"old": subject.old}))
        if not done:
            assert not left_out
            fence.tell("reload")
        wait_until(lambda: subject.verdicts() == subject.new, 15, "the new policy is whole")
        wait_until(lambda: not not_attached(fence), 15, "all interfaces have the filter")
        subject.leaves_no_debris(NEW)
        fence.kill()
        return not subject.failed(), found + (", without an interface at first" if left_out else "")

    each_point("reload with a call that fails", attempt, EVERY, densely=True)


def test_reload_without_memory_for_a_sieve_is_refused_and_leaves_no_peers_behind(subject):
    """A million are 120 MiB, which would stay until the next policy."""
    fence = subject.fence

    def reload(number):
        subject.start(OLD)
        fence.configure(**NEW)
        return subject.asked(("mmap", number), "reload", happens=NO_MEMORY)

    assert reload(65535)
    sieve = subject.first_traced("MAP_SHARED")
    fence.kill()
    assert not reload(sieve) and subject.failed()
    assert "cannot map the sieve" in fence.log()
    assert subject.verdicts() == subject.old and len(fence.tables_of_peers()) == 1
    fence.tell("reload")
    assert subject.verdicts() == subject.new and len(fence.tables_of_peers()) == 1
    fence.kill()


def test_start_with_a_failing_call_is_whole_or_refused_in_one_line(subject):
    """Refused late, it leaves the policy in force: better fenced without an agent than not."""
    fence = subject.fence

    def attempt(point):
        subject.detach()
        fence.log_path.write_text("")
        done = subject.start(OLD, point=point, happens=NO_MEMORY)
        left_out = not_attached(fence) if done else set()
        new = without(subject, subject.old, left_out)
        found = one_of(subject.verdicts(), nothing=subject.nothing, new=new)
        if done:
            assert found == "new"
        else:
            found += ", refused"
            assert len([line for line in fence.log().splitlines() if " error " in line]) == 1
        fence.kill()
        subject.start(OLD)
        assert subject.verdicts() == subject.old
        return not subject.failed(), found + (", without an interface at first" if left_out else "")

    # Before, there is nothing outside the process, and libbpf finds out what the kernel can do.
    each_point("start with a call that fails", attempt, EVERY,
               first=subject.first("bpf", "BPF_OBJ_PIN"))


def test_start_where_the_kernel_seems_to_share_no_tables_is_refused_in_one_line(subject):
    """libbpf tries that with a small map, and goes on without where it gets none."""
    trial = subject.first("bpf", "BPF_F_MMAPABLE")
    subject.detach()
    subject.fence.log_path.write_text("")
    assert not subject.start(OLD, point=("bpf", trial), happens=NO_MEMORY)
    lines = subject.fence.log().splitlines()
    assert subject.failed() and len(lines) == 1 and "refuses to load the filter" in lines[0]


def test_start_that_cannot_tell_the_number_of_cpus_is_refused_in_one_line(subject):
    """Tables have a row for each: with a wrong number it would read rows that are not there."""
    asked = subject.first("openat", "/sys/devices/system/cpu/possible")
    subject.fence.kill()
    subject.fence.log_path.write_text("")
    assert not subject.start(OLD, point=("openat", asked), happens=NO_MEMORY)
    lines = subject.fence.log().splitlines()
    assert subject.failed() and len(lines) == 1 and "how many CPUs" in lines[0]
    assert subject.verdicts() == subject.old
