# SPDX-License-Identifier: BSD-2-Clause
"""The ways to the metrics but for TCP, what /healthz says, and presets in a running agent."""
import os
import stat
import subprocess

import pytest

from conftest import promtool
from kit.fence import APP, METRICS_PORT, Fence, curl, samples
from kit.lab import Lab, http_get


@pytest.fixture(name="lab", scope="module")
def _lab():
    with Lab("client", "peer") as lab:
        yield lab


def test_a_unix_socket_serves_metrics_and_health_and_opens_no_port(lab):
    path = lab.directory / "metrics.sock"
    with Fence(lab, cluster=["cluster0"], metrics=f"unix:{path}"):
        assert lab.host.probe("127.0.0.1", METRICS_PORT) == "refused"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        status, page = curl(lab, "--unix-socket", path, "http://x/metrics")
        assert status == 200 and samples(page)["beamfence_enforcing", ()] == 1
        assert curl(lab, "--unix-socket", path, "http://x/healthz") == (200, "ok\n")
        assert curl(lab, "--unix-socket", path, "http://x/")[0] == 404
        assert curl(lab, "--unix-socket", path, "-X", "POST", "http://x/metrics")[0] == 405


def test_a_reload_moves_the_endpoint_between_port_and_socket(lab):
    path = lab.directory / "moved.sock"
    with Fence(lab, cluster=["cluster0"]) as fence:
        fence.configure(cluster=["cluster0"], metrics=f"unix:{path}")
        fence.tell("reload")
        assert curl(lab, "--unix-socket", path, "http://x/healthz") == (200, "ok\n")
        assert lab.host.probe("127.0.0.1", METRICS_PORT) == "refused"
        fence.configure(cluster=["cluster0"])
        fence.tell("reload")
        assert fence.health() == (200, "ok\n")
        assert not path.exists()


def test_a_socket_that_an_agent_left_when_it_was_killed_is_taken_over(lab):
    path = lab.directory / "left.sock"
    with Fence(lab, cluster=["cluster0"], metrics=f"unix:{path}") as fence:
        fence.kill()
        assert path.exists()
        fence.start()
        assert curl(lab, "--unix-socket", path, "http://x/healthz") == (200, "ok\n")


def test_healthz_names_what_is_open(lab):
    with Fence(lab, cluster=["cluster0"]) as fence:
        assert fence.health() == (200, "ok\n")
        fence.configure(cluster=["cluster0", "eht1"], trusted=["wg0"])
        fence.tell("reload")
        assert fence.health() == (503, "eht1 (cluster): there is no such interface\n")
        absent = [value for (name, labels), value in samples(fence.metrics()).items()
                  if name == "beamfence_interface_attached" and ("interface", "eht1") in labels]
        assert absent == [0]
        fence.configure(cluster=["cluster0"], trusted=["wg0"], mode="audit")
        fence.tell("reload")
        assert fence.health() == (200, "ok\n")


def test_an_absent_interface_is_told_of_everywhere_in_the_same_words(lab):
    words = "there is no such interface"
    line = f'not attached interface=eht1 zone=cluster problem="{words}"'
    with Fence(lab, cluster=["cluster0", "eht1"]) as fence:
        assert fence.health() == (503, f"eht1 (cluster): {words}\n")
        assert fence.interface("eht1")["problem"] == words
        assert fence.log().count(line) == 1
        lab.host.ip("link", "add", "eht1", "type", "veth", "peer", "name", "other")
        try:
            fence.wait_for("STATUS=enforce: 3 of 3 interfaces attached")
            assert fence.health() == (200, "ok\n")
        finally:
            lab.host.ip("link", "del", "eht1")
        fence.wait_for(f"STATUS=enforce: 2 of 3 interfaces attached; eht1 (cluster): {words}")
        assert fence.health() == (503, f"eht1 (cluster): {words}\n")
        assert fence.log().count(line) == 2


def test_metrics_by_the_control_socket_are_those_of_the_endpoint(lab):
    with Fence(lab, cluster=["cluster0"]) as fence:
        names = [line for line in fence.metrics().splitlines() if line.startswith("# ")]
        page = fence.tell("metrics")
        assert [line for line in page.splitlines() if line.startswith("# ")] == names
        assert fence.json("metrics").startswith("# HELP beamfence_packets_total")
        assert fence.tell("metrics", "--textfile", lab.directory / "beamfence.prom") == ""
        text = (lab.directory / "beamfence.prom").read_text()
        done = subprocess.run([promtool(), "check", "metrics"], input=text, text=True,
                              capture_output=True, check=False, timeout=20)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
        assert [one for one in os.listdir(lab.directory) if one.startswith("beamfence.prom")] == \
            ["beamfence.prom"]


def test_presets_close_cluster_ports_and_speak_of_the_clients(lab):
    with Fence(lab, cluster=["cluster0"], clusters=[APP], extra="presets: [rabbitmq]\n",
               client=["client0"]) as fence:
        host = lab.client.host4
        amqp = lab.web(5672)
        for port, verdict in ((25672, "drop"), (35680, "drop"), (amqp, "pass")):
            assert fence.explain("client0", lab.client.own4, host, port)["verdict"] == verdict
        assert fence.explain("cluster0", lab.peer.own4, lab.peer.host4, 25672)["reason"] == "peer"
        assert http_get(lab.client, host, amqp)
        assert fence.warnings() == []
        fence.configure(cluster=["cluster0"], clusters=[{**APP, "ports": "5600-5700"}],
                        extra="presets: [rabbitmq]\n")
        fence.tell("reload")
        for port in (5671, 5672):
            assert len(fence.warnings(f"port {port}, which clients of rabbitmq use")) == 1
            assert f"port {port}, which clients of rabbitmq use" in fence.log()
