# SPDX-License-Identifier: BSD-2-Clause
"""Another program is on an interface: status says whose it is, and what takes it off does so."""
import re
import shutil

import pytest

from kit.devices import foreign_program
from kit.fence import BEAMFENCED, Fence, remove_pins
from kit.lab import BPFFS, run, wait_until

CAPABILITIES = "+bpf,+net_admin,+perfmon"  # as the unit has them


@pytest.fixture(name="fence")
def _fence(lab):
    """One that has not begun, and whose agent is no more than its unit lets it be."""
    fence = Fence(lab, client=["client0"], cluster=["cluster0"])
    program, command = lab.directory / "beamfenced", fence.command()
    shutil.copy(BEAMFENCED, program)
    fence.command = lambda: ["setpriv", f"--inh-caps=-all,{CAPABILITIES}",
                             f"--bounding-set=-all,{CAPABILITIES}", program, *command[1:]]
    return fence


def problem(fence, name="client0"):
    one = fence.interface(name)
    assert not one["attached"]
    return one["problem"]


def attaches(lab, fence, cure):
    """Does what the problem says, after which the next check attaches."""
    lab.host.run(*cure.split())
    wait_until(lambda: fence.interface("client0")["attached"], 15, "client0 has the filter")


def test_orphan_of_another_pin_directory_is_named_with_its_pin(lab, fence):
    earlier = Fence(lab, client=["client0"], cluster=[])
    earlier.start()
    earlier.kill()
    with fence:
        said = problem(fence)
        assert said.startswith("an orphan of beamfence holds the interface: \"filter_ethernet\"")
        cure = re.search(r'"(rm .*?)"', said)[1]
        assert str(earlier.pins) in cure
        attaches(lab, fence, cure)


def test_orphan_whose_pin_is_nowhere_to_be_seen_is_named_with_its_link(lab, fence):
    hidden = BPFFS / f"beamfence-test-{lab.name}-hidden"
    earlier = Fence(lab, client=["client0"], cluster=[])
    earlier.start()
    earlier.kill()
    hidden.mkdir()
    lab.defer(remove_pins, hidden)
    earlier.pins.rename(hidden / "deep")
    with fence:
        said = problem(fence)
        assert said.startswith("an orphan of beamfence holds the interface: \"filter_ethernet\"")
        cure = re.search(r'"(bpftool link detach id \d+)"', said)
        if not cure:
            pytest.skip("this kernel has no iterator of links")
        attaches(lab, fence, cure[1])


def test_program_of_somebody_else_is_named_and_what_takes_it_off(lab, fence):
    pin = foreign_program(lab)
    lab.host.ip("link", "set", "dev", "client0", "xdp", "pinned", pin)
    with fence:
        said = problem(fence)
        number = re.search(r"id (\d+);", said)[1]
        name = re.search(r'holds the interface: "(\w+)"', said)[1]
        assert f"{number}: xdp  name {name}" in run("bpftool", "prog", "show", "id", number)
        assert said.startswith("another XDP program")
        attaches(lab, fence, re.search(r'"(ip link .*?)"', said)[1])
