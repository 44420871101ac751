# SPDX-License-Identifier: BSD-2-Clause
"""Points of an agent's way, at which it is killed or a call of its fails; and what is in force then.

A point is the Nth call of a kind, counted by strace: (call, number).
"""
import collections
import contextlib
import os
import pathlib

from kit import bpf
from kit.fence import APP, DB, Fence
from kit.lab import end, wait_until

# Of the points of each kind every so many are tried, or each: "make soak" does.
EVERYWHERE = "BEAMFENCE_KILL_EVERYWHERE" in os.environ
EVERY = {"bpf": 40, "rename": 1, "unlink": 4}
# These change files, sockets and interfaces; what else the agent calls changes only itself.
MORE = ("mkdir", "openat", "chmod", "fchmod", "chown", "bind", "ioctl")
if EVERYWHERE:
    EVERY = dict.fromkeys((*EVERY, *MORE), 1)
KILL = "signal=KILL"
INTERFACES = ("client0", "cluster0", "cluster1", "cluster2")
SOURCES = ("10.77.2.2", "10.77.3.2", "10.77.4.2")
PORTS = (80, 4369, 9101, 9201, 9301)
OLD = {"client": ["client0"], "cluster": ["cluster0", "cluster1"], "trusted": ["cluster1.120"],
       "clusters": (APP, DB)}
NEW = {"client": ["cluster0"], "cluster": ["client0", "cluster2.120"], "trusted": ["cluster2"],
       "clusters": ({**DB, "ports": "9100-9155"}, {**APP, "ports": "9300-9355"})}


class Subject:
    """An agent that something happens to at a point, and the verdicts that may be found then."""

    def __init__(self, lab):
        self.lab, self.fence = lab, Fence(lab)
        self.agent = self.fence.command()[0]
        self._pins = {}
        self._trace = lab.directory / "trace"
        self.nothing = self.verdicts()
        self.old, self.new = self.after(OLD), self.after(NEW)
        assert len({str(self.nothing), str(self.old), str(self.new)}) == 3

    def verdicts(self):
        return bpf.verdicts(self.lab, self.fence.pins, INTERFACES, SOURCES, PORTS)

    def after(self, settings):
        self.start(settings)
        self.fence.kill()
        return self.verdicts()

    def start(self, settings, agent=None, point=None, happens=KILL):
        """Starts an agent. Whether it got to its end, where something happens at a point."""
        tracer = ["strace", "-D", *self._injection(point, happens)] if point else []
        self.fence.environment["ASAN_OPTIONS"] = f"detect_leaks={int(not point)}"  # or it is traced
        argv = [*tracer, agent or self.agent, *Fence.command(self.fence)[1:]]
        self.fence.command = lambda: argv
        self.fence.configure(**settings)
        self.fence.launch()
        try:
            self.fence.wait_for("READY=1", 60)
        except Exception:
            if not point or self.fence.process.poll() != (-9 if happens == KILL else 1):
                raise
            return False
        if not point:
            self.leaves_no_debris(settings)
        return True

    def leaves_no_debris(self, settings):
        """Whatever happened before: the pins are those of this configuration, and no more."""
        pins = {path.name for path in self.fence.pins.iterdir()}
        known = self._pins.setdefault(str(settings), pins)
        assert known == pins, (known ^ pins, self.fence.log()[-3000:])

    def asked(self, point, *command, thread=None, happens=KILL):
        """Whether the agent did as asked, where something happens at a point of one thread."""
        process = self.fence.process
        thread = thread or process.pid
        tracer = self.lab.popen(self.lab.host, ["strace", *self._injection(point, happens), "-p",
                                                thread], "strace.log")
        # It may come to the point by itself: it looks after the interfaces every few seconds.
        wait_until(lambda: process.poll() is not None or
                   f"TracerPid:\t{tracer.pid}\n" in status(process.pid, thread), 5,
                   "strace is there")
        done = self.fence.ask(*command).returncode == 0
        if not done and happens == KILL:
            process.wait(5)
        end(tracer)
        return done

    def _injection(self, point, happens):
        call, number = point
        self._trace.write_text("")
        return ["-qq", "-o", self._trace, "-e", f"trace={call}", "-e",
                f"inject={call}:{happens}:when={number}"]

    def failed(self):
        """Whether the call that was to fail was reached."""
        return "(INJECTED)" in self._trace.read_text()

    def first(self, call, kind):
        """The number of the first call of that kind, in a start where nothing was."""
        self.detach()
        self.start(OLD, point=(call, 65535), happens="error=ENOSYS")
        return self.first_traced(kind)

    def first_traced(self, kind):
        """The number of the first call of that kind, where one call was traced to its end."""
        lines = self._trace.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if kind in line)

    def look_ups(self, attempt):
        """Points that are as good as those before them: in a row of look-ups, but every 16th."""
        attempt(("bpf", 65535), happens="error=ENOSYS")
        lines = self._trace.read_text().splitlines()
        self.detach()
        return {("bpf", number) for number, line in enumerate(lines, 1)
                if "(BPF_MAP_LOOKUP_ELEM" in line and number % 16}

    def detach(self):
        self.fence.kill()
        self.fence.run("detach", "--pin-dir", self.fence.pins)
        assert not self.fence.pins.exists(), list(self.fence.pins.iterdir())


def status(pid, thread):
    with contextlib.suppress(OSError):  # it may end at any time
        return pathlib.Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="ascii")
    return ""


def each_point(title, attempt, every=None, densely=False, first=1, skip=()):
    """Lets attempt(point) run for the points of each call until there is none any more.

    It returns whether the point was not reached, and what was in force then: a row for each call.
    """
    print(f"\n{title}\n  {'at':<10} {'points':>6}  in force afterwards")
    for call, step in (every or EVERY).items():
        outcomes, number = collections.Counter(), first
        step = max(1, step // 10) if densely else step
        while True:
            while (call, number) in skip:
                number += 1
            done, found = attempt((call, number))
            if done:
                break
            outcomes[found] += 1
            number += step
        found = ", ".join(f"{what} {count}" for what, count in sorted(outcomes.items()))
        print(f"  {call:<10} {outcomes.total():>6}  {found}", flush=True)
        assert outcomes or call not in ("bpf", "unlink"), f"never reached {call}"


def one_of(found, **policies):
    """The name of the policy that these verdicts are."""
    for name, policy in policies.items():
        if found == policy:
            return name
    differences = {name: {frame: verdict for frame, verdict in found.items()
                          if policy[frame] != verdict} for name, policy in policies.items()}
    raise AssertionError(f"verdicts of no policy, but other than: {differences}")
