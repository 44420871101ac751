# SPDX-License-Identifier: BSD-2-Clause
"""The role on two hosts with systemd that form a real RabbitMQ cluster (make check-ansible).

           +-- client0 mq1 cluster0 --+
    client |                          | switch -- cluster0 stranger
           +-- client0 mq2 cluster0 --+

All three are containers of their own. The package is the one that "make deb" builds. From before
the first run until after the removal somebody asks without a pause: clients whether AMQP serves
them, each node whether the other is there; and while the fence stands, clients and the stranger
whether anything protected answers.
"""
import contextlib
import json
import re
import subprocess
import time

import pytest

from kit import amqp
from kit.container import Container
from kit.lab import Lab, epmd_names, wait_until
from kit.packages import as_version
from kit.playbook import Playbook
from kit.prober import OPEN, SILENT, Prober

COOKIE = "only-for-this-test"
NAMES = "127.0.0.1 localhost\n10.77.2.1 mq1\n10.77.2.2 mq2\n10.77.2.3 stranger\n"
BROKERS = "mq1", "mq2"
BOTH = "[rabbit@mq1,rabbit@mq2]"
CLUSTER = {"mq1": "10.77.2.1", "mq2": "10.77.2.2", "stranger": "10.77.2.3"}
CLIENT = {"mq1": "10.77.1.1", "mq2": "10.77.8.1"}
PROTECTED = 4369, 25672
# Runs in each broker, and asks the other one twenty times a second who is there.
WATCH = """
Watch = fun Watch(Asked, Wrong) ->
    receive
        {nodedown, Node} -> Watch(Asked, [{nodedown, Node} | Wrong]);
        {tell, Who} -> Who ! {watched, Asked, Wrong}, Watch(Asked, Wrong)
    after 50 ->
        try lists:sort(erpc:call('rabbit@OTHER', rabbit_nodes, all_running, [], 3000)) of
            BOTH -> Watch(Asked + 1, Wrong);
            Fewer -> Watch(Asked + 1, [Fewer | Wrong])
        catch Kind:Reason -> Watch(Asked + 1, [{Kind, Reason} | Wrong])
        end
    end
end,
register(watch, spawn(fun() -> ok = net_kernel:monitor_nodes(true), Watch(0, []) end)), ok.
"""
TELL = "watch ! {tell, self()}, receive {watched, A, W} -> {A, W} after 5000 -> gone end."
DECLARE = """
[rabbit_amqqueue:declare({resource, <<"/">>, queue, list_to_binary("MACHINE" ++ integer_to_list(I))},
                         true, false, [], none, <<"test">>) || I <- [1, 2, 3]], ok.
"""
PING = 'io:format("~p", [net_adm:ping(list_to_atom("rabbit@MACHINE"))]), halt().'


def connect(namespace, device, other, other_device, address):
    """A veth pair; the first end gets the address."""
    namespace.ip("link", "add", device, "type", "veth", "peer", "name", other_device,
                 "netns", other.name)
    for end, name in ((namespace, device), (other, other_device)):
        end.run("ethtool", "-K", name, "gro", "on")
        end.ip("link", "set", name, "up")
    namespace.ip("addr", "add", f"{address}/24", "dev", device)


def wire_up(lab):
    """The client's links and the switch of the cluster's own network."""
    switch = lab.add_namespace("switch")
    switch.ip("link", "add", "br0", "type", "bridge")
    switch.ip("link", "set", "br0", "up")
    lab.client, lab.hosts = lab.add_namespace("client"), {"mq1": lab.host}
    for name in ("mq2", "stranger"):
        lab.hosts[name] = lab.add_namespace(name)
    for name, namespace in lab.hosts.items():
        connect(namespace, "cluster0", switch, name, CLUSTER[name])
        switch.ip("link", "set", name, "master", "br0")
    for name, address in CLIENT.items():
        connect(lab.hosts[name], "client0", lab.client, name, address)
        lab.client.ip("addr", "add", address[:-1] + "2/24", "dev", name)


def start_rabbit(machine):
    machine.run("sh", "-c", "rm -rf /var/lib/rabbitmq/mnesia /var/log/rabbitmq/*")
    machine.write("/etc/hosts", NAMES)
    machine.write("/etc/rabbitmq/rabbitmq.conf", "loopback_users = none\n")
    machine.run("sh", "-c", f"umask 077; printf {COOKIE} >/var/lib/rabbitmq/.erlang.cookie; "
                "chown -R rabbitmq:rabbitmq /var/lib/rabbitmq")
    machine.run("systemctl", "start", "--no-block", "rabbitmq-server")


def evaluate(machine, expression):
    """What an expression gives in the broker."""
    try:
        done = machine.try_run("rabbitmqctl", "eval", expression)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{machine.name} hangs: {seen_by(machine)}") from late
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def seen_by(machine):
    """What tells why a node does not answer."""
    return machine.try_run("sh", "-c", "beamfence counters | grep -v ' 0 '; ss -tnp; "
                           "ps axf -o pid,stat,wchan:24,args | tail -n 40; systemctl list-jobs; "
                           "journalctl --no-pager -n 40; "
                           "tail -n 20 /var/log/rabbitmq/rabbit@*.log").stdout


def cluster_of(machine):
    """The running nodes, as this one sees them."""
    return evaluate(machine, "lists:sort(rabbit_nodes:all_running()).")


@pytest.fixture(name="site", scope="module")
def _site(package):
    with Lab() as lab:
        wire_up(lab)
        lab.machines = {name: Container(lab, namespace, name).launch()
                        for name, namespace in lab.hosts.items()}
        lab.brokers = [lab.machines[name].wait() for name in BROKERS]
        lab.machines["stranger"].wait().write("/etc/hosts", NAMES)
        for broker in lab.brokers:
            start_rabbit(broker)
        for broker in lab.brokers:
            wait_until(lambda one=broker: one.try_run("rabbitmqctl", "await_startup")
                       .returncode == 0, 60, f"RabbitMQ is up on {broker.name}")
        lab.brokers[1].run("sh", "-c", "rabbitmqctl stop_app && "
                           "rabbitmqctl join_cluster rabbit@mq1 && rabbitmqctl start_app")
        assert cluster_of(lab.brokers[0]) == BOTH
        visitor = lab.popen(lab.client, ["sleep", "3600"], "visitor.log")
        lab.play = Playbook(
            lab.directory,
            {**{one.name: {"ansible_host": one.leader,
                           "beamfence_verify_address": CLIENT[one.name]} for one in lab.brokers},
             "visitor": {"ansible_host": visitor.pid}},
            {"rabbitmq": BROKERS}, beamfence_install="package",
            beamfence_package_file=str(package), beamfence_client_interfaces=["client0"],
            beamfence_cluster_interfaces=["cluster0"], beamfence_verify_from="visitor",
            beamfence_clusters=[{"name": "messaging", "presets": ["rabbitmq"],
                                 "nodes": ["rabbit@*"], "groups": ["rabbitmq"]},
                                {"name": "billing", "ports": ["9100-9155"],
                                 "groups": ["rabbitmq"]}])
        yield lab


@contextlib.contextmanager
def cluster_watched(brokers):
    """Each broker asks the other all the time, and misses it not once."""
    for broker in brokers:
        other = next(one.name for one in brokers if one is not broker)
        said = evaluate(broker, WATCH.replace("OTHER", other).replace("BOTH", BOTH))
        assert said == "ok", said
    began = time.monotonic()
    yield
    for broker in brokers:
        said = evaluate(broker, TELL)
        asked, wrong = re.fullmatch(r"\{(\d+),(.*)\}", said, re.S).groups()
        assert wrong == "[]", f"{broker.name}: {said}; {seen_by(broker)}"
        assert int(asked) > 5 * (time.monotonic() - began), f"{broker.name} asked {asked} times"
        logs = broker.run("sh", "-c", "cat /var/log/rabbitmq/*.log")
        assert "net_tick_timeout" not in logs and "node_down" not in logs


def what_answers(site, namespace, addresses):
    return namespace.probes(*[(address, port) for address in addresses.values()
                              for port in PROTECTED], timeout=0.5)


def pings(site):
    """A real node of the stranger's, which knows the cookie, tries to reach each broker."""
    return [site.machines["stranger"].run(
        "erl", "-noinput", "-noshell", "-sname", "spy", "-setcookie", COOKIE, "-hidden",
        "-start_epmd", "false", "-dist_listen", "false", "-kernel", "net_setuptime", "2",
        "-eval", PING.replace("MACHINE", name)) for name in BROKERS]


def everything(site, answer):
    """Both protected ports of both brokers, as a client and as the stranger."""
    return [(namespace, addresses[name], port, answer)
            for namespace, addresses in ((site.client, CLIENT), (site.hosts["stranger"], CLUSTER))
            for name in BROKERS for port in PROTECTED]


def agents(site):
    return [one.json("status")["pid"] for one in site.brokers]


def installed(site):
    return {one.run("dpkg-query", "-W", "-f", "${Version}", "beamfence") for one in site.brokers}


def test_the_role_from_first_run_to_removal(site, package):
    nothing = dict.fromkeys(BROKERS, 0)
    play = site.play
    with cluster_watched(site.brokers), amqp.Customer(site.client, *CLIENT.values()) as customer:
        with Prober(*everything(site, OPEN)) as before:
            assert epmd_names(site.client, CLIENT["mq1"]).startswith("name rabbit at")
            assert pings(site) == ["pong"] * 2
            assert set(play.converge("rabbitmq", "--check", "--diff")) == set(BROKERS)
            # By their names, before anything changes: one for the types, one for what they mean.
            assert "beamfence_mode" in play.refusal("rabbitmq", beamfence_mode="enforced")
            assert ('beamfence_client_interfaces: this host has no interface \\"eht0\\"' in
                    play.refusal("rabbitmq", beamfence_client_interfaces=["eht0"]))
        before.check(20)  # all that was open still is

        # One host at a time, as operators do: the facts of the other are gathered all the same.
        changed = play.converge("rabbitmq", "--limit", "mq1")
        assert set(changed) == {"mq1"} and changed["mq1"] > 3
        changed = play.converge("rabbitmq")
        assert changed["mq1"] == 0 and changed["mq2"] > 3
        with Prober(*everything(site, SILENT)) as fenced:
            assert play.converge("rabbitmq") == nothing
            assert play.converge("rabbitmq", "--check", "--diff") == nothing
            assert [[one["prefix"] for one in machine.json("peers")]
                    for machine in site.brokers] == [["10.77.2.2/32"] * 2, ["10.77.2.1/32"] * 2]
            assert pings(site) == ["pang"] * 2
            assert "beamfence_mode" in play.refusal("rabbitmq", beamfence_mode="enforced")

            pids = agents(site)
            changed = play.converge("rabbitmq", beamfence_exempt_ports=[5672])
            assert min(changed.values()) >= 1
            assert agents(site) == pids, "a change of the configuration restarts nothing"
            newer = as_version(package, site.directory, "99.0")
            play.converge("rabbitmq", beamfence_package_file=str(newer))
            assert installed(site) == {"99.0"} and not set(agents(site)) & set(pids)
        fenced.check(200)

        play.converge("rabbitmq", beamfence_state="absent")
        assert what_answers(site, site.client, CLIENT) == [OPEN] * 4
        assert play.converge("rabbitmq", beamfence_state="absent") == nothing
        assert cluster_of(site.brokers[0]) == cluster_of(site.brokers[1]) == BOTH
    assert not customer.wrong and customer.served > 100, (customer.served, customer.wrong[:5])
    print(json.dumps({"AMQP connections served": customer.served,
                      "attempts that nothing answered": fenced.asked.total()}))


def list_queues(machine):
    """The names, and how many seconds that took."""
    began = time.monotonic()
    done = machine.try_run("rabbitmqctl", "-q", "--no-table-headers", "list_queues", "name")
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(done.stdout.split()), time.monotonic() - began


def refused_connections(machine):
    page = machine.run("beamfence", "metrics")
    return int(re.search(r'beamfence_warnings\{kind="connection-refused"\} (\d+)', page)[1])


def write_peer(machine, before, after):
    path = "/etc/beamfence/beamfence.yaml"
    text = machine.run("cat", path)
    assert before in text
    machine.write(path, text.replace(before, after))


def test_a_reload_that_would_cut_the_other_node_names_it_before(site):
    one, other = site.brokers
    site.play.converge("rabbitmq")
    for machine in site.brokers:
        evaluate(machine, DECLARE.replace("MACHINE", machine.name))
    wanted = sorted(f"{name}{i}" for name in BROKERS for i in (1, 2, 3))
    for machine in site.brokers:
        queues, took = list_queues(machine)
        assert queues == wanted and took < 20, (queues, took)

    write_peer(one, "10.77.2.2", "10.77.2.9")
    done = one.try_run("beamfence", "reload")
    assert done.returncode == 1 and "10.77.2.2" in done.stdout + done.stderr, done
    assert refused_connections(one) == 0 and cluster_of(one) == BOTH
    done = one.try_run("beamfence", "reload", "--yes")
    assert done.returncode == 0, done
    began = time.monotonic()
    wait_until(lambda: refused_connections(one) > 0, 60, "status warns of what is cut")
    print(json.dumps({"seconds until the alert's metric": round(time.monotonic() - began, 1)}))
    assert "10.77.2.2" in one.run("beamfence", "status")

    write_peer(one, "10.77.2.9", "10.77.2.2")
    one.run("beamfence", "reload")
    wait_until(lambda: refused_connections(one) == 0, 60, "nothing is cut any more")
    assert cluster_of(one) == cluster_of(other) == BOTH
    site.play.converge("rabbitmq", beamfence_state="absent")
