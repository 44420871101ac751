# SPDX-License-Identifier: BSD-2-Clause
"""The role on two hosts with systemd that form a real RabbitMQ cluster (make check-ansible).

          +-- client0 mq1 cluster0 --- cluster0 mq2 client0 --+
   client |           cluster2 --- stranger                   | client
"""
import subprocess

import pytest

from lab import Lab, epmd_names, wait_until
from machines import Machine, Playbook, make_package

COOKIE = "only-for-this-test"
NAMES = "127.0.0.1 localhost\n10.77.2.1 mq1\n10.77.2.2 mq2\n"


def link(first, one, second, other, number):
    """A veth pair between two namespaces, 10.77.N.1 and 10.77.N.2 at its ends."""
    first.ip("link", "add", one, "type", "veth", "peer", "name", other, "netns", second.name)
    for namespace, device, last in ((first, one, 1), (second, other, 2)):
        namespace.run("ethtool", "-K", device, "gro", "on")
        namespace.ip("addr", "add", f"10.77.{number}.{last}/24", "dev", device)
        namespace.ip("link", "set", device, "up")


def prepare_rabbit(machine):
    home = machine.root / "var/lib/rabbitmq"
    machine.run("sh", "-c", "rm -rf /var/lib/rabbitmq/mnesia /var/log/rabbitmq/*")
    (machine.root / "etc/hosts").write_text(NAMES)
    machine.run("sh", "-c", f"umask 077; printf {COOKIE} >/var/lib/rabbitmq/.erlang.cookie; "
                "chown -R rabbitmq:rabbitmq /var/lib/rabbitmq")
    assert home.exists()
    machine.run("systemctl", "start", "--no-block", "rabbitmq-server")


def cluster_of(machine):
    """The running nodes, as this one sees them."""
    try:
        return machine.run("rabbitmqctl", "eval",
                           "lists:sort(rabbit_nodes:all_running()).").strip()
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{machine.name} hangs: {seen_by(machine)}") from late


def seen_by(machine):
    """What tells why a node does not answer."""
    return machine.try_run("sh", "-c", "beamfence counters; ss -tnp; ps axf | tail -n 40; "
                           "tail -n 20 /var/log/rabbitmq/rabbit@*.log").stdout


BOTH = "[rabbit@mq1,rabbit@mq2]"


def amqp(namespace, address):
    """What a broker answers to AMQP's first bytes: a frame for channel 0, Connection.Start."""
    with namespace.connect(address, 5672) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(11)[7:]


@pytest.fixture(name="site", scope="module")
def _site():
    with Lab("client", "stranger") as lab:
        lab.mq2 = lab.add_namespace("mq2")
        link(lab.host, "cluster0", lab.mq2, "cluster0", 2)
        link(lab.mq2, "client0", lab.client, "eth1", 8)
        lab.machines = [Machine(lab, lab.host, "mq1"), Machine(lab, lab.mq2, "mq2")]
        for machine in lab.machines:
            prepare_rabbit(machine.wait())
        first, second = lab.machines
        for machine in lab.machines:
            wait_until(lambda: machine.try_run(  # pylint: disable=cell-var-from-loop
                "rabbitmqctl", "await_startup").returncode == 0, 60, "RabbitMQ is up")
        second.run("sh", "-c", "rabbitmqctl stop_app && rabbitmqctl join_cluster rabbit@mq1 && "
                   "rabbitmqctl start_app")
        assert cluster_of(first) == BOTH
        visitor = lab.popen(lab.client, ["sleep", "3600"], "visitor.log")
        hosts = {"mq1": {"ansible_host": first.leader,
                         "beamfence_cluster_interfaces": ["cluster0", "cluster2"]},
                 "mq2": {"ansible_host": second.leader,
                         "beamfence_cluster_interfaces": ["cluster0"]},
                 "visitor": {"ansible_host": visitor.pid}}
        lab.play = Playbook(
            lab.directory, hosts, {"rabbitmq": ["mq1", "mq2"]}, beamfence_install="package",
            beamfence_package_file=str(make_package(lab.directory)),
            beamfence_client_interfaces=["client0"], beamfence_verify_from="visitor",
            beamfence_clusters=[{"name": "messaging", "presets": ["rabbitmq"],
                                 "nodes": ["rabbit@*"], "groups": ["rabbitmq"]},
                                {"name": "billing", "ports": ["9100-9155"],
                                 "groups": ["rabbitmq"]}])
        yield lab


def seen(lab, namespace, *addresses):
    return namespace.probes(*[(address, port) for address in addresses
                              for port in (4369, 25672, 5672)], timeout=0.5)


SHUT = ["silent", "silent", "open"]
OPEN = ["open"] * 3


def test_the_role_from_first_run_to_removal(site):
    first, second = site.machines
    clients = (site.client.host4, "10.77.8.1")
    nothing = {"mq1": 0, "mq2": 0}

    assert seen(site, site.client, *clients) == OPEN * 2
    assert epmd_names(site.stranger, site.stranger.host4)
    assert set(site.play.converge("rabbitmq", "--check", "--diff")) == set(nothing)
    assert seen(site, site.client, *clients) == OPEN * 2, "check mode changed something"

    # One host at a time, as operators do: the facts of the other are gathered all the same.
    changed = site.play.converge("rabbitmq", "--limit", "mq1")
    assert set(changed) == {"mq1"} and changed["mq1"] > 3
    assert cluster_of(second) == BOTH
    assert site.play.converge("rabbitmq")["mq1"] == 0
    assert seen(site, site.client, *clients) == SHUT * 2
    assert seen(site, site.stranger, site.stranger.host4) == SHUT
    assert amqp(site.client, clients[0]) == amqp(site.client, clients[1]) == b"\x00\x0a\x00\x0a"
    assert [[one["prefix"] for one in machine.json("peers")] for machine in site.machines] == [
        ["10.77.2.2/32"] * 2, ["10.77.2.1/32"] * 2]
    assert cluster_of(first) == cluster_of(second) == BOTH

    assert site.play.converge("rabbitmq") == nothing
    assert site.play.converge("rabbitmq", "--check", "--diff") == nothing

    pids = [machine.json("status")["pid"] for machine in site.machines]
    changed = site.play.converge("rabbitmq", beamfence_mode="audit")
    assert min(changed.values()) >= 1
    assert [machine.json("status")["pid"] for machine in site.machines] == pids, "no restart"
    assert seen(site, site.client, *clients) == OPEN * 2
    upgrade = str(make_package(site.directory, "2"))
    site.play.converge("rabbitmq", beamfence_package_file=upgrade)
    assert seen(site, site.client, *clients) == SHUT * 2
    assert cluster_of(first) == cluster_of(second) == BOTH
    for machine in site.machines:
        logs = machine.run("sh", "-c", "cat /var/log/rabbitmq/*.log")
        assert "connection_closed" not in logs and "net_tick_timeout" not in logs

    site.play.converge("rabbitmq", beamfence_state="absent")
    assert seen(site, site.client, *clients) == OPEN * 2
    assert site.play.converge("rabbitmq", beamfence_state="absent") == nothing
    assert cluster_of(first) == BOTH
