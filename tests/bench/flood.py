#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Frames that the filter drops a second under a flood of live frames, with events and without.

Each round floods once in each way, one after another, so that whatever disturbs the machine
disturbs all; medians, and of the change from off to on the median of the rounds. Generator and filter share a CPU: a frame's cost is that of both.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from kit import lab as labs  # noqa: E402
from kit.fence import BEAMFENCE, Fence  # noqa: E402

FLOOD = labs.BUILD / "flood"
WAYS = (("one source, events off", "one", 0), ("one source, events on", "one", 1),
        ("random sources, events off", "many", 0), ("random sources, events on", "many", 1))
LIMIT = 256  # EVENTS_PER_SECOND


def flood(lab, fence, sources, level, seconds):
    """Floods; frames dropped a second, and events told of a second."""
    labs.run(FLOOD, "level", fence.pins, level)
    before = fence.count(reason="client-new")
    follow = subprocess.Popen([BEAMFENCE, "--socket", fence.socket, "--json", "events",
                               "--follow", "--last", "0"], stdout=subprocess.PIPE, text=True)
    try:
        done = lab.client.run(FLOOD, "eth0", lab.host.mac("client0"), seconds, sources, 0,
                              timeout=60)
        took = float(done.split(" in ")[1].split(" s")[0])
        dropped = fence.count(reason="client-new") - before
    finally:
        follow.terminate()
        events = [line for line in follow.communicate()[0].splitlines() if '"drop"' in line]
    return dropped / took, len(events) / took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    labs.unwind_on_signals()
    seen = {way: [] for way in WAYS}
    with labs.Lab("client") as lab, Fence(lab) as fence:
        for _ in range(arguments.rounds):
            for way in WAYS:
                seen[way].append(flood(lab, fence, way[1], way[2], arguments.seconds))
        lost = [line for line in fence.metrics().splitlines()
                if line.startswith("beamfence_events_lost_total")]
    print(f"{arguments.rounds} rounds of {arguments.seconds} s in each way, medians\n")
    print(f"{'live flood over veth, one CPU':32}{'drops/s':>12}{'events/s':>10}")
    medians = {}
    for way in WAYS:
        medians[way] = statistics.median(drops for drops, _ in seen[way])
        events = statistics.median(events for _, events in seen[way])
        print(f"{way[0]:32}{medians[way]:12,.0f}{events:10,.0f}")
    for off, on in (WAYS[:2], WAYS[2:]):
        ratios = [with_events[0] / without[0]
                  for with_events, without in zip(seen[on], seen[off])]
        change = (statistics.median(ratios) - 1) * 100
        print(f"{on[0]}: {change:+.1f} % (target: above -5 %) "
              f"{'met' if change > -5 else 'missed'}")
    print(lost[0])


if __name__ == "__main__":
    main()
