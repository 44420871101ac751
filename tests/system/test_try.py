# SPDX-License-Identifier: BSD-2-Clause
"""Configurations on trial: in force at once, and gone again unless somebody says otherwise."""
import time

import pytest

from kit.fence import APP, Fence, config_text, samples
from kit.lab import wait_until

OTHER = {"name": "app", "ports": "9300", "peers": []}


@pytest.fixture(name="fence")
def _fence(lab):
    with Fence(lab) as fence:
        yield fence


@pytest.fixture(name="file")
def _file(lab, fence):
    """A file that protects port 9300 in place of 9105."""
    path = lab.directory / "new.yaml"
    path.write_text(config_text(fence.socket, clusters=[OTHER]))
    return path


def in_force(fence):
    """Which of the two ports is protected."""
    ports = {one["port"] for one in fence.json("ports")} & {9105, 9300}
    assert len(ports) == 1
    return "new" if ports == {9300} else "old"


def active(fence):
    return samples(fence.metrics())["beamfence_try_active", ()]


def test_trial_is_in_force_at_once_and_goes_back_by_itself(lab, fence, file):
    assert (in_force(fence), active(fence)) == ("old", 0)
    said = fence.tell("try", file, "--for", "2s")
    ends = time.monotonic() + 2
    assert "2 s" in said and "confirm" in said
    assert (in_force(fence), active(fence)) == ("new", 1)
    assert lab.client.probe(lab.client.host4, 9300, 0.3) == "silent"
    status = fence.json("status")
    assert status["config_in_force"] == "trial" and status["trial"]["file"] == str(file)
    assert 0 < status["trial"]["left_s"] <= 2
    assert "ON TRIAL" in fence.tell("status")
    wait_until(lambda: in_force(fence) == "old", 10, "it goes back")
    assert time.monotonic() > ends - 0.1
    assert fence.json("status")["trial"] is None and active(fence) == 0
    assert lab.client.probe(lab.client.host4, 9300) == "refused"
    assert "back to the configuration before it" in fence.log()
    assert fence.ask("confirm").returncode == 1


def test_confirmed_trial_stays_and_status_warns_until_the_file_says_the_same(fence, file):
    fence.tell("try", file, "--for", "1s")
    ends = time.monotonic() + 1
    said = fence.tell("confirm")
    assert str(fence.config) in said and "install" in said
    wait_until(lambda: time.monotonic() > ends + 0.3, 5, "its time would be over")
    assert in_force(fence) == "new" and fence.json("status")["trial"] is None
    assert fence.json("status")["config_in_force"] == "confirmed"
    assert fence.warnings("tried and confirmed", fence.config)

    fence.config.write_text(file.read_text())
    assert not fence.warnings("tried and confirmed")
    fence.config.write_text(file.read_text().replace("9300", "9105"))  # of the same length
    assert fence.warnings("tried and confirmed")
    fence.tell("reload")
    assert in_force(fence) == "old" and not fence.warnings("tried and confirmed")


def test_revert_of_a_second_trial_brings_back_the_first_that_was_confirmed(lab, fence, file):
    fence.tell("try", file)
    fence.tell("confirm")
    second = lab.directory / "second.yaml"
    second.write_text(config_text(fence.socket, clusters=[APP]))
    fence.tell("try", second)
    assert in_force(fence) == "old"
    fence.tell("revert")
    assert in_force(fence) == "new"
    assert fence.warnings("tried and confirmed")


def test_revert_goes_back_at_once(fence, file):
    fence.tell("try", file)
    assert in_force(fence) == "new"
    fence.tell("revert")
    assert in_force(fence) == "old" and fence.json("status")["trial"] is None
    assert fence.ask("revert").returncode == 1


def test_bad_file_changes_nothing_and_is_named_with_its_line(fence, file):
    text = file.read_text().replace("[9300]", "[9300, 9300]")
    file.write_text(text)
    line = text[:text.index("9300")].count("\n") + 1
    done = fence.ask("try", file)
    assert done.returncode == 1 and f"{file}:{line}: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert in_force(fence) == "old" and fence.json("status")["trial"] is None
    assert fence.ask("try", file.with_name("nosuch.yaml")).returncode == 1


def test_second_trial_is_refused_while_one_is_under_way(fence, file):
    fence.tell("try", file)
    done = fence.ask("try", file)
    assert done.returncode == 1 and "on trial already" in done.stderr and str(file) in done.stderr
    assert in_force(fence) == "new"


def test_reload_ends_a_trial_and_a_refused_one_does_not(fence, file):
    fence.tell("try", file)
    good = fence.config.read_text()
    fence.config.write_text("nonsense: yes\n")
    assert fence.ask("reload").returncode == 1
    assert in_force(fence) == "new" and fence.json("status")["trial"]
    fence.config.write_text(good)
    fence.tell("reload")
    assert in_force(fence) == "old" and fence.json("status")["trial"] is None


@pytest.mark.parametrize("end", ["kill", "end"])
def test_agent_that_ends_during_a_trial_starts_with_its_file(fence, file, end):
    fence.tell("try", file)
    getattr(fence, end)()
    fence.start()
    assert in_force(fence) == "old" and fence.json("status")["trial"] is None


def test_runtime_peers_are_still_there_after_a_trial_without_their_cluster(fence, file):
    fence.tell("peers", "add", "app", "192.0.2.1")
    file.write_text(config_text(fence.socket, clusters=()))
    fence.tell("try", file)
    assert fence.explain("cluster0", "192.0.2.1", "10.77.2.1", 4369)["verdict"] == "drop"
    fence.tell("revert")
    assert fence.explain("cluster0", "192.0.2.1", "10.77.2.1", 9105)["verdict"] == "pass"


def test_trial_of_many_peers_fits(fence, file):
    peers = [f"10.{i >> 8 & 255}.{i & 255}.{i >> 16}" for i in range(100000)]
    file.write_text(config_text(fence.socket, clusters=[{**OTHER, "peers": peers}]))
    fence.tell("try", file)
    assert fence.json("status")["peers"] == 100000
    file.write_text(config_text(fence.socket, clusters=[OTHER]) + "#" * (4 << 20))
    done = fence.ask("try", file)
    assert done.returncode == 1 and str(file) in done.stderr and "at most" in done.stderr
