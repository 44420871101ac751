# SPDX-License-Identifier: BSD-2-Clause
"""The metrics of the contract: all there, valid, moving with traffic, equal to the counters."""
import subprocess
import time

import pytest

from conftest import promtool
from kit.fence import APP, Fence, samples
from kit.lab import Lab

CONTRACT = {  # name: labels
    "beamfence_packets_total": {"interface", "zone", "verdict", "reason"},
    "beamfence_bytes_total": {"interface", "zone", "verdict", "reason"},
    "beamfence_interface_attached": {"interface", "zone", "mode"},
    "beamfence_interface_unassigned": None,
    "beamfence_enforcing": set(),
    "beamfence_protected_ports": {"kind", "source"},
    "beamfence_peers": {"cluster", "family"},
    "beamfence_peers_limit": set(),
    "beamfence_config_last_reload_successful": set(),
    "beamfence_config_last_reload_success_timestamp_seconds": set(),
    "beamfence_events_lost_total": set(),
    "beamfence_build_info": None,
}


@pytest.fixture(name="fence", scope="module")
def _fence():
    with Lab("client", "peer", "stranger") as lab, lab.host.listen(9105):
        with Fence(lab, cluster=["cluster0"]) as fence:
            fence.lab = lab
            yield fence


def labelled(page, name):
    """The samples of one metric: [({label: value}, number)]."""
    return [(dict(labels), value) for (metric, labels), value in samples(page).items()
            if metric == name]


def packets(fence, **wanted):
    return sum(value for labels, value in labelled(fence.metrics(), "beamfence_packets_total")
               if wanted.items() <= labels.items())


def test_every_metric_of_the_contract_is_there_with_its_labels(fence):
    fence.lab.client.probe(fence.lab.client.host4, 9105, 0.2)
    page = fence.metrics()
    for name, labels in CONTRACT.items():
        found = labelled(page, name)
        assert found, f"{name} is missing"
        for seen, _ in found:
            assert labels is None or set(seen) == labels, (name, seen)
        assert f"# HELP {name} " in page and f"# TYPE {name} " in page


def test_promtool_accepts_the_page(fence):
    fence.lab.client.probe(fence.lab.client.host4, 9105, 0.2)
    done = subprocess.run([promtool(), "check", "metrics"], input=fence.metrics(), text=True,
                          capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_values_say_what_is(fence):
    page = fence.metrics()
    assert samples(page)["beamfence_enforcing", ()] == 1
    assert samples(page)["beamfence_config_last_reload_successful", ()] == 1
    age = time.time() - samples(page)["beamfence_config_last_reload_success_timestamp_seconds", ()]
    assert 0 <= age < 600
    assert samples(page)["beamfence_peers_limit", ()] == 1000000
    attached = {labels["interface"]: (labels["zone"], value)
                for labels, value in labelled(page, "beamfence_interface_attached")}
    assert attached == {"client0": ("client", 1), "cluster0": ("cluster", 1)}
    unassigned = labelled(page, "beamfence_interface_unassigned")
    assert sum(value for _, value in unassigned) == 1  # cluster2, which no list names
    ports = {(labels["kind"], labels["source"]): value
             for labels, value in labelled(page, "beamfence_protected_ports")}
    assert ports["epmd", "config"] == 1 and ports["dist", "config"] == 2 * 56
    peers = {(labels["cluster"], labels["family"]): value
             for labels, value in labelled(page, "beamfence_peers")}
    assert len(peers) == 4 and set(peers.values()) == {1}


def test_metrics_move_with_traffic_by_as_much(fence):
    client, peer = fence.lab.client, fence.lab.peer
    drops = {"interface": "client0", "verdict": "drop", "reason": "client-new"}
    passes = {"interface": "cluster0", "verdict": "pass", "reason": "peer"}
    others = {"interface": "client0", "verdict": "pass", "reason": "other-port"}
    before = [packets(fence, **one) for one in (drops, passes, others)]
    assert client.probe(client.host4, 9105, 0.2) == "silent"
    assert peer.probe(peer.host4, 9105) == "open"
    assert client.probe(client.host4, 81) == "refused"
    moved = [packets(fence, **one) - was for one, was in zip((drops, passes, others), before)]
    assert moved[0] == 1 and moved[1] >= 3 and moved[2] == 1


def test_metrics_and_counters_tell_the_same(fence):
    fence.lab.client.probe(fence.lab.client.host6, 4369, 0.2)

    def both():
        counted = fence.json("counters")
        page = fence.metrics()
        again = fence.json("counters")
        return counted, page, again

    for _ in range(20):  # a frame of ND may come between
        counted, page, again = both()
        if counted == again:
            break
    assert counted == again
    keys = ("interface", "zone", "verdict", "reason")
    for unit in ("packets", "bytes"):
        expected = {tuple(one[key] for key in keys): one[unit] for one in counted if one[unit]}
        assert expected == {tuple(labels[key] for key in keys): value for labels, value
                            in labelled(page, f"beamfence_{unit}_total") if value}


def test_no_source_address_is_a_label(fence):
    assert "10.77." not in fence.metrics() and "fd77:" not in fence.metrics()


def test_audit_mode_shows(fence):
    fence.configure(mode="audit", cluster=["cluster0"])
    fence.tell("reload")
    try:
        assert samples(fence.metrics())["beamfence_enforcing", ()] == 0
    finally:
        fence.configure(cluster=["cluster0"])
        fence.tell("reload")
    assert samples(fence.metrics())["beamfence_enforcing", ()] == 1


def test_metrics_can_be_off_and_on_again_by_reload(fence):
    fence.configure(cluster=["cluster0"], metrics="off")
    fence.tell("reload")
    try:
        assert fence.lab.host.probe("127.0.0.1", 9369) == "refused"
    finally:
        fence.configure(cluster=["cluster0"], clusters=[APP])
        fence.tell("reload")
    assert labelled(fence.metrics(), "beamfence_peers") != []
