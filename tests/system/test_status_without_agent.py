# SPDX-License-Identifier: BSD-2-Clause
"""The filter outlives its agent: "status" tells of it by what is pinned."""
import json
import re
import shutil
import subprocess
import time

import pytest

from kit import erlang
from kit.fence import BEAMFENCE, Fence
from kit.lab import run

NOBODY = 65534


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab, client=["client0", "client0.7"]) as fence:
        yield fence


def without_agent(fence, *more):
    """What status says of the pins; it always fails, with the line that it always had."""
    done = fence.ask(*more, "status", "--pin-dir", fence.pins)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "is beamfenced running?" in done.stderr
    return done.stdout


def test_status_tells_what_is_in_force_and_how_to_end_it(lab, fence):
    erlang.start_epmd(lab)
    node = erlang.start_node(lab, "app")
    fence.port(port=node.port, node="app")
    by_agent = fence.json("status")
    fence.kill()
    status = json.loads(without_agent(fence, "--json"))
    assert status["agent"] is False
    for name in ("mode", "protected_ports", "pin_dir"):
        assert status[name] == by_agent[name], name
    assert status["interfaces"] == sorted(by_agent["interfaces"], key=lambda one: one["name"])
    assert time.time() - 120 < status["since"] <= time.time()
    text = without_agent(fence)
    assert re.search(r"in force all the same, since \d{4}-\d\d-\d\dT[\d:]+Z\nmode enforce\n", text)
    assert re.search(r"client0\.7 +client +yes +native|client0\.7 +client +yes +generic", text)
    assert "beamfence detach" in text
    fence.start(mode="audit")
    fence.kill()
    assert json.loads(without_agent(fence, "--json"))["mode"] == "audit"


def test_pins_of_another_version_are_told_as_far_as_they_are_known(fence):
    fence.kill()
    (fence.pins / "tables").unlink()
    run("bpftool", "map", "create", fence.pins / "tables", "type", "array", "key", "4", "value", "8",
        "entries", "1", "name", "other")
    status = json.loads(without_agent(fence, "--json"))
    assert status["mode"] is None and status["protected_ports"] is None
    assert [(one["name"], one["zone"], one["attached"]) for one in status["interfaces"]] == [
        ("client0", None, True), ("cluster0", None, True)]
    assert "another version" in without_agent(fence)


def test_who_may_not_look_is_told_so(lab, fence):
    fence.kill()
    fence.socket.unlink(missing_ok=True)  # as systemd does when the unit has ended
    program = lab.directory / "beamfence"
    shutil.copy(BEAMFENCE, program)
    program.chmod(0o755)
    lab.directory.chmod(0o755)
    done = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
                           "--clear-groups", program, "--socket", fence.socket, "status",
                           "--pin-dir", fence.pins], text=True, capture_output=True, check=False)
    assert done.returncode in (1, 3) and not done.stdout
    assert done.stderr.count("\n") == 1 and "root may see what is in force" in done.stderr


def test_where_nothing_is_pinned_nothing_is_fenced(fence):
    fence.tell("detach")
    done = fence.ask("status", "--pin-dir", fence.pins)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1 and "NOTHING IS FENCED" in done.stderr


def test_pin_of_something_else_is_taken_for_no_interface(fence):
    """The kernel says of such a map what could be a link on lo."""
    fence.kill()
    before = json.loads(without_agent(fence, "--json"))["interfaces"]
    run("bpftool", "map", "create", fence.pins / "link-99", "type", "percpu_array", "key", "4",
        "value", "4", "entries", "1", "name", "other")
    assert json.loads(without_agent(fence, "--json"))["interfaces"] == before
    (fence.pins / "link-99").unlink()
