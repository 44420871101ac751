# SPDX-License-Identifier: BSD-2-Clause
"""An interface that is renamed stays fenced, with the agent or without it, until a reload."""
import pytest

from kit.fence import Fence
from kit.lab import Lab, wait_until

PORT = 9105


@pytest.fixture(name="host")
def _host():
    with Lab("client", "stranger") as lab, lab.host.listen(PORT):
        yield lab


@pytest.fixture(name="fence")
def _fence(host):
    with Fence(host) as fence:
        keeps(fence)
        yield fence


def keeps(fence):
    """The configuration of now is the last good one."""
    file = fence.state / "last-good.yaml"
    wait_until(lambda: file.exists() and file.read_text() == fence.config.read_text(), 5, "it is kept")


def closed(lab, neighbour="client"):
    one = getattr(lab, neighbour)
    return one.probe(one.host4, PORT, 0.5) == "silent"


def rename(lab, old, new):
    lab.host.ip("link", "set", old, "down")
    lab.host.ip("link", "set", old, "name", new)
    lab.host.ip("link", "set", new, "up")


def zones(fence):
    return {one["name"]: (one["zone"], one["attached"]) for one in fence.json("status")["interfaces"]}


def becomes(fence, name, zone):
    wait_until(lambda: zones(fence).get(name) == (zone, True), 5, f"{name} in zone {zone}")


def test_renamed_interface_stays_fenced_until_a_reload(host, fence):
    program = host.host.program("client0")
    rename(host, "client0", "wan9")
    becomes(fence, "wan9", "client")
    assert closed(host) and host.host.program("wan9") == program
    assert len(fence.warnings("wan9", "was client0", "stays in zone client")) == 1
    code, text = fence.health()
    assert code == 503 and "client0 (client): there is no such interface" in text
    assert fence.explain("wan9", host.client.own4, host.client.host4, PORT)["verdict"] == "drop"
    fence.tell("reload")
    assert not closed(host) and not fence.warnings("wan9", "stays")
    assert "wan9" in fence.json("status")["unassigned"]


def test_hold_is_over_when_the_name_is_back(host, fence):
    rename(host, "client0", "wan9")
    becomes(fence, "wan9", "client")
    rename(host, "wan9", "client0")
    becomes(fence, "client0", "client")
    assert not fence.warnings("stays in zone") and fence.health()[0] == 200


def test_name_that_fits_a_glob_of_a_looser_zone_opens_nothing_and_an_exact_one_is_meant(host, fence):
    fence.configure(trusted=["lan*", "inside0"])
    fence.tell("reload")
    rename(host, "client0", "lan0")
    becomes(fence, "lan0", "client")
    assert closed(host)
    rename(host, "lan0", "inside0")
    becomes(fence, "inside0", "trusted")
    assert not closed(host)


def test_name_of_a_stricter_zone_holds(host, fence):
    fence.configure(client=["wan*"], cluster=["cluster2"], clusters=[
        {"name": "app", "ports": "9100-9155", "peers": ["10.77.4.0/24"]}])
    fence.tell("reload")
    assert not closed(host, "stranger")
    rename(host, "cluster2", "wan2")
    becomes(fence, "wan2", "client")
    assert closed(host, "stranger") and not fence.warnings("stays in zone")


@pytest.mark.parametrize("kept", [True, False])
def test_interface_that_is_renamed_while_no_agent_runs_stays_fenced(host, fence, kept):
    """And through further restarts; with the last good configuration known, or not."""
    fence.kill()
    rename(host, "client0", "wan9")
    assert closed(host)
    for _ in range(2):
        if not kept:
            (fence.state / "last-good.yaml").unlink()
        fence.start()
        assert zones(fence)["wan9"] == ("client", True) and closed(host)
        assert fence.warnings("wan9", "stays in zone client")
        keeps(fence)
        fence.kill()
    fence.start()
    fence.tell("reload")
    assert not closed(host)


def test_restart_with_another_configuration_unfences(host, fence):
    fence.kill()
    rename(host, "client0", "wan9")
    fence.config.write_text("# changed\n" + fence.config.read_text())
    fence.start()
    assert not closed(host) and not fence.warnings("stays in zone")


def test_restart_with_another_configuration_unfences_what_has_kept_its_name(host, fence):
    fence.kill()
    (fence.state / "last-good.yaml").unlink()
    fence.configure(client=["other0"])
    fence.start()
    assert not closed(host)


def test_device_with_the_index_of_one_that_moved_away_is_not_held(host, fence):
    """The link goes with the device, and the index may come back as another's."""
    index = host.host.ip("-o", "link", "show", "client0").split(":")[0]
    away = host.add_namespace("away")
    fence.kill()
    host.host.ip("link", "set", "client0", "netns", away.name)
    host.host.ip("link", "add", "fresh0", "index", index, "type", "veth", "peer", "name", "fresh1")
    fence.start()
    assert "fresh0" in fence.json("status")["unassigned"]
    assert host.host.program("fresh0") is None and not fence.warnings("stays in zone")


def test_trial_releases_and_its_end_holds_again(host, fence):
    rename(host, "client0", "wan9")
    becomes(fence, "wan9", "client")
    trial = fence.config.with_name("trial.yaml")
    trial.write_text(fence.config.read_text())
    fence.tell("try", trial, "--for", "1m")
    assert not closed(host)
    fence.tell("revert")
    assert closed(host) and fence.warnings("wan9", "stays in zone client")


@pytest.mark.parametrize("named", [True, False])
def test_interface_that_is_renamed_during_a_trial_is_fenced_after_it(host, fence, named):
    """Whether the configuration on trial fences it or not."""
    trial = fence.config.with_name("trial.yaml")
    text = fence.config.read_text()
    trial.write_text(text if named else text.replace("client0", "other0"))
    fence.tell("try", trial, "--for", "1m")
    assert closed(host) == named
    rename(host, "client0", "wan9")
    wait_until(lambda: "client0" not in zones(fence) or not zones(fence)["client0"][1], 5, "it is renamed")
    fence.tell("revert")
    assert closed(host) and fence.warnings("wan9", "was client0", "stays in zone client")
    fence.tell("reload")
    assert not closed(host)
