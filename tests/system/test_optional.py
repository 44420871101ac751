# SPDX-License-Identifier: BSD-2-Clause
"""What is optional may be refused: the filter is there for what is configured, what is missing is
said, and it is tried again."""
import pytest

from kit.lab import Lab, wait_until
from kit.points import OLD, Subject


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer", "peer2", "stranger") as lab:
        yield lab


@pytest.fixture(name="subject", scope="module")
def _subject(lab):
    subject = Subject(lab)
    yield subject
    subject.fence.close()


def start_with_refusal(subject, call, number, error):
    subject.detach()
    subject.fence.log_path.write_text("")
    assert subject.start(OLD, point=(call, number), happens=f"error={error}")
    assert subject.failed()
    assert subject.verdicts() == subject.old


def health(fence):
    return fence.health()[0]


def test_start_without_the_watch_fences_what_is_configured_and_tries_again(subject):
    fence = subject.fence
    start_with_refusal(subject, "bpf", subject.first("bpf", "BPF_RAW_TRACEPOINT_OPEN"), "EPERM")
    (warning,) = fence.warnings("refuses the listener watch")
    assert "new listeners that the configuration does not list are open" in warning
    assert health(fence) == 503
    wait_until(lambda: health(fence) == 200, 30, "it is tried again")
    assert not fence.warnings("refuses the listener watch")
    assert "the listener watch is loaded now" in fence.log()
    subject.leaves_no_debris(OLD)
    assert subject.verdicts() == subject.old
    fence.kill()


def test_watch_of_an_earlier_agent_goes_on_where_its_successor_is_refused_one(subject):
    fence = subject.fence
    opened = subject.first("bpf", "BPF_RAW_TRACEPOINT_OPEN")
    start_with_refusal(subject, "bpf", opened, "EPERM")
    wait_until(lambda: health(fence) == 200, 30, "there is a watch")
    fence.kill()
    pins = {path.name: path.stat().st_ino for path in fence.pins.iterdir()}
    subject.start(OLD, point=("bpf", 65535), happens="error=ENOSYS")
    opened = subject.first_traced("BPF_RAW_TRACEPOINT_OPEN")
    fence.kill()
    assert subject.start(OLD, point=("bpf", opened), happens="error=EPERM")
    assert fence.warnings("refuses the listener watch")
    assert pins.keys() == {path.name for path in fence.pins.iterdir()}
    wait_until(lambda: health(fence) == 200, 30, "it is tried again")
    fence.kill()


def test_reload_that_is_refused_the_watch_is_done_for_what_is_configured(subject):
    fence = subject.fence
    subject.start({**OLD, "discovery": {"listeners": False}})
    assert health(fence) == 200
    fence.configure(**OLD)
    assert subject.asked(("bpf", 65535), "reload", happens="error=ENOSYS")
    opened = subject.first_traced("BPF_RAW_TRACEPOINT_OPEN")
    fence.kill()
    subject.start({**OLD, "discovery": {"listeners": False}})
    fence.configure(**OLD)
    assert subject.asked(("bpf", opened), "reload", happens="error=EPERM")
    assert subject.failed() and subject.verdicts() == subject.old
    assert fence.warnings("refuses the listener watch")
    fence.kill()


def test_start_that_cannot_read_events_counts_drops_and_tries_again(subject):
    """Third is the loop's, the watch's and the events' ring: each has an epoll of its own."""
    fence = subject.fence
    start_with_refusal(subject, "epoll_create1", 3, "EMFILE")
    assert fence.warnings("not told of as events")
    assert health(fence) == 200
    wait_until(lambda: not fence.warnings("not told of as events"), 30, "it is tried again")
    assert "drops are events again" in fence.log()
    fence.kill()


def test_programs_that_there_was_no_memory_for_are_had_later(subject):
    fence = subject.fence
    first = subject.first("bpf", 'prog_name="filter_ethern')
    features = fence.json("status")["features"]
    assert features["frags"] and features["conntrack"]
    # libbpf tries each a second time, for the verifier's words.
    start_with_refusal(subject, "bpf", f"{first}..{first + 1}", "ENOMEM")
    lacking = fence.json("status")
    assert not lacking["features"]["conntrack"]
    assert any(line.startswith("conntrack: ") for line in lacking["lacks"])
    assert "no conntrack: " in fence.tell("status") and "goes without" in fence.log()
    before = subject.lab.host.program("client0")
    wait_until(lambda: fence.json("status")["features"] == features, 30, "it is tried again")
    wait_until(lambda: subject.lab.host.program("client0") != before, 10, "and put into use")
    assert subject.verdicts() == subject.old
    assert not any("conntrack" in line for line in fence.json("status")["lacks"])
    fence.kill()


def test_native_mode_that_was_refused_for_a_moment_is_had_and_leaves_no_other_program(subject):
    created = subject.first("bpf", "BPF_LINK_CREATE, {link_create={prog_fd")
    start_with_refusal(subject, "bpf", created, "EINVAL")
    rows = subject.fence.json("status")["interfaces"]
    assert all(one["attached"] and one["problem"] is None for one in rows)
    assert {one["attach_mode"] for one in rows if not one["on"]} == {"native"}
    subject.fence.kill()
