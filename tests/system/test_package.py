# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package on a host with systemd: installed, run without root, upgraded, removed."""
import contextlib
import json
import os
import re

import pytest

from kit import erlang
from kit.container import Container
from kit.fence import METRICS_PORT, config_text, curl
from kit.lab import ROOT, Lab, LabError, epmd_names, run, wait_until
from kit.packages import as_version, make_older_deb
from kit.prober import OPEN, SILENT, Prober
from kit.sweep import Sweep

UNIT = "beamfenced.service"
NET_UNIT = "beamfence-net.service"
PINS = "/sys/fs/bpf/beamfence"
CONFIG = "/etc/beamfence/beamfence.yaml"
CAPABILITIES = {12: "CAP_NET_ADMIN", 38: "CAP_PERFMON", 39: "CAP_BPF"}


@pytest.fixture(name="packages", scope="module")
def _packages(package, tmp_path_factory):
    """The package as it is built here, and the same as a later version."""
    return package, as_version(package, tmp_path_factory.mktemp("later"), "99.0")


@pytest.fixture(name="older", scope="module")
def _older(tmp_path_factory):
    """A package of an older version, whose tables have another layout."""
    return make_older_deb(tmp_path_factory.mktemp("older"))


@pytest.fixture(name="lab")
def _lab():
    with Lab("client", "peer", "stranger") as lab:
        yield lab


@contextlib.contextmanager
def started(lab, packages):
    """A host with the package and a configuration, and the agent started."""
    with Container(lab) as host:
        host.packages = [host.bring(one) for one in packages]
        host.run("dpkg", "-i", host.packages[0])
        configure(host)
        done = host.try_run("systemctl", "start", UNIT)
        assert done.returncode == 0, host.try_run("journalctl", "--no-pager").stdout[-4000:]
        yield host


@pytest.fixture(name="host")
def _host(lab, packages):
    with started(lab, packages) as host:
        yield host


@pytest.fixture(name="steady", scope="module")
def _steady(packages):
    """One for the tests that leave it as it was."""
    with Lab("client", "peer", "stranger") as lab, started(lab, packages) as host:
        host.lab = lab
        yield host


def configure(host, **settings):
    text = config_text("/run/beamfence/control.sock", clusters=(
        {"name": "app", "peers": ["10.77.2.0/24", "fd77:2::/64"], "nodes": ["app@*"]},), **settings)
    host.write(CONFIG, text.replace("group: root", "group: beamfence"))


def status(host):
    return json.loads(host.run("beamfence", "--json", "status"))


def attached(host):
    return {one["name"]: one["attached"] for one in status(host)["interfaces"]}


def journal(host, *match):
    """The entries of the agent in the journal."""
    lines = host.run("journalctl", "-u", UNIT, "-o", "json", "--no-pager", *match).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def start_nodes(lab, host):
    """epmd and two real nodes on the host, in the container and as another user: autobound, fixed."""
    before = ["nsenter", "-t", host.leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--",
              "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    lab.popen(lab.host, [*before, "epmd"], "epmd.log")
    wait_until(lambda: lab.host.probe("127.0.0.1", 4369) == "open", 5, "epmd is up")
    os.chmod(lab.directory, 0o755)
    nodes = [erlang.launch_node(lab, "app", before=before),
             erlang.launch_node(lab, "fixed", port=9105, before=before)]
    for node in nodes:
        erlang.wait_for_node(node)
    return nodes


def test_package_has_what_is_needed_to_watch_it(package):
    files = {line.split()[-1].removeprefix(".").removesuffix(".gz")
             for line in run("dpkg-deb", "-c", package).splitlines()}
    wanted = {f"/usr/share/beamfence/{name}" for name in (
        "prometheus/beamfence.rules.yml", "prometheus/prometheus.yml",
        "prometheus/beamfence-textfile.service", "prometheus/beamfence-textfile.timer",
        "grafana/beamfence.json", "beamfence.schema.json")}
    wanted |= {f"/usr/share/doc/beamfence/{name}" for name in ("README.md", "monitoring.md",
                                                               "beamfence.yaml")}
    assert wanted <= files, wanted - files
    named = re.findall(r"^\.It Pa (/usr/share\S+)",
                       (ROOT / "deploy/man/beamfenced.8").read_text(), re.M)
    assert len(named) == 3 and set(named) <= files


def test_installing_fences_nothing_until_it_is_configured_and_started(lab, packages):
    with lab.host.listen(4369), Container(lab) as host:
        said = host.run("dpkg", "-i", host.bring(packages[0]))
        assert "nothing is fenced yet" in said and CONFIG in said
        assert host.try_run("systemctl", "is-active", UNIT).stdout == "inactive\n"
        assert host.try_run("systemctl", "is-enabled", UNIT).stdout == "disabled\n"
        assert lab.client.probe(lab.client.host4, 4369) == "open"
        assert CONFIG in host.run("dpkg-query", "--show", "--showformat=${Conffiles}", "beamfence")
        facts = host.run("beamfenced", "--version")
        assert re.search(r"^commit: +[0-9a-f]{12}(-dirty)?$", facts, re.M) or not (ROOT / ".git").exists()
        assert (host.root / "usr/share/man/man5/beamfence.yaml.5.gz").exists()


def test_agent_runs_without_root_and_finds_the_nodes_of_others(steady):
    lab, host = steady.lab, steady
    nodes = start_nodes(lab, host)
    ports = {}
    for node in nodes:
        ports[node.node] = wait_until(
            lambda name=node.node: next((one for one in json.loads(
                host.run("beamfence", "--json", "ports")) if one["node"] == name), None), 10,
            f"node {node.node} is found: {host.try_run('beamfence', 'ports').stdout}")
    assert ports["app"]["source"] == "autobound" and ports["app"]["cluster"] == "app"
    # The kernel's numbers of processes are not the container's, so its /proc tells nothing.
    assert ports["fixed"]["source"] == "registered"
    assert epmd_names(lab.client, lab.client.host4) is None
    assert "app" in epmd_names(lab.peer, lab.peer.host4)
    for node in nodes:
        assert lab.client.probe(lab.client.host4, node.port) == "silent"
    assert lab.peer.probe(lab.peer.host4, nodes[0].port) == "open"
    assert lab.stranger.probe(lab.stranger.host4, nodes[0].port) == "silent"
    # An agent that starts later lists what is there.
    host.run("systemctl", "restart", UNIT)
    assert lab.client.probe(lab.client.host4, nodes[0].port) == "silent"
    assert {one["port"] for one in json.loads(host.run("beamfence", "--json", "ports"))} >= {
        node.port for node in nodes}

    pid = host.show(UNIT, "MainPID")
    process = host.run("cat", f"/proc/{pid}/status")
    user = host.run("id", "-u", "beamfence").strip()
    assert re.search(r"^Uid:\t(.*)$", process, re.M)[1].split() == [user] * 4
    assert re.search(r"^NoNewPrivs:\t1$", process, re.M)
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        held = int(re.search(rf"^{kind}:\t(\w+)$", process, re.M)[1], 16)
        assert {bit for bit in range(64) if held >> bit & 1} == set(CAPABILITIES)
    # Its view of /proc has the command lines of others.
    beam = host.run("pidof", "beam.smp").split()[0]
    assert "-setcookie" in host.run("nsenter", "-t", pid, "-m", "setpriv", "--reuid", user,
                                    "--regid", user, "--clear-groups", "cat",
                                    f"/proc/{beam}/cmdline")
    for kind in ("CapInh", "CapAmb"):
        assert re.search(rf"^{kind}:\t0+$", process, re.M)


def test_reload_returns_when_it_holds_and_fails_where_it_is_refused(steady):
    lab, host = steady.lab, steady
    assert lab.client.probe(lab.client.host4, 4369) == "silent"
    configure(host, mode="audit")
    host.run("systemctl", "reload", UNIT)
    assert status(host)["mode"] == "audit"
    assert host.show(UNIT, "StatusText") == "audit: 3 of 3 interfaces attached"
    host.write(CONFIG, "interfaces: nonsense\n")
    assert host.try_run("systemctl", "reload", UNIT).returncode != 0
    assert "refused" in host.show(UNIT, "StatusText")
    assert host.show(UNIT, "ActiveState") == "active"
    assert status(host)["mode"] == "audit"
    configure(host)
    host.run("kill", "-HUP", host.show(UNIT, "MainPID"))
    wait_until(lambda: status(host)["mode"] == "enforce", 5, "SIGHUP reloads")
    wait_until(lambda: host.show(UNIT, "ActiveState") == "active", 5, "the reload is over")


def hang(host):
    """Stops the agent where it stands, and waits until the watchdog has put another in its place."""
    host.write(f"/etc/systemd/system/{UNIT}.d/test.conf", "[Service]\nWatchdogSec=1\n")
    assert host.show(UNIT, "WatchdogUSec") == "30s"
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "restart", UNIT)
    before = host.show(UNIT, "MainPID")
    host.run("kill", "-STOP", before)
    wait_until(lambda: host.show(UNIT, "MainPID") not in ("0", before) and
               host.show(UNIT, "ActiveState") == "active", 20, "the watchdog barks")


def test_stop_kill_and_hang_leave_the_filter_and_the_agent_comes_back(lab, host):
    with lab.host.listen(4369):
        def closed():
            return lab.client.probe(lab.client.host4, 4369, 0.3) == "silent"

        host.run("systemctl", "stop", UNIT)
        assert closed() and lab.host.program("client0")
        host.run("systemctl", "start", UNIT)
        kill(host)
        assert any("adopted" in entry["MESSAGE"] for entry in journal(host))
        assert closed()
        hang(host)
        assert closed()
        host.run("beamfence", "detach")
        assert not closed()
        wait_until(lambda: host.show(UNIT, "ActiveState") == "inactive", 5, "it has ended")
        host.run("systemctl", "start", UNIT)
        assert closed()


def test_agent_that_root_ran_before_is_taken_over(lab, host):
    """Its pins belong to root, and so does what it left."""
    host.run("systemctl", "stop", UNIT)
    host.run("rm", "-r", PINS)
    process = lab.popen(lab.host, [
        "nsenter", "-t", host.leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--",
        "beamfenced"], "root.log")
    wait_until(lambda: host.try_run("beamfence", "status").returncode == 0, 10, "root's agent")
    host.run("kill", "-KILL", host.run("pidof", "beamfenced").strip())
    process.wait(5)
    program = lab.host.program("client0")
    assert program
    host.run("rm", "-f", "/run/beamfence/control.sock")
    host.run("systemctl", "start", UNIT)
    assert any("adopted" in entry["MESSAGE"] for entry in journal(host))
    assert set(host.run("stat", "-c", "%U", PINS).split()) == {"beamfence"}


def kill(host):
    """Ends the agent as a crash does, and waits until the service manager has started another."""
    before = host.show(UNIT, "MainPID")
    host.run("systemctl", "kill", "--kill-who=main", "-s", "KILL", UNIT)
    wait_until(lambda: host.show(UNIT, "MainPID") not in ("0", before) and
               host.show(UNIT, "ActiveState") == "active", 15, "it is started again")


def put(host, package, version):
    """Installs a package over the one that is there, which restarts the agent."""
    before = host.show(UNIT, "MainPID")
    host.run("dpkg", "--force-downgrade", "-i", package)
    assert host.run("dpkg-query", "-W", "-f", "${Version}", "beamfence") == version
    assert host.show(UNIT, "MainPID") not in ("0", before)
    assert host.show(UNIT, "ActiveState") == "active"


def go_through_all_that_befalls_an_agent(lab, host, older):
    host.run("systemctl", "reload", UNIT)
    host.run("systemctl", "restart", UNIT)
    kill(host)
    now = host.run("dpkg-query", "-W", "-f", "${Version}", "beamfence")
    put(host, host.packages[1], "99.0")
    put(host, host.packages[0], now)
    assert "contract: 1\n" not in host.run("beamfenced", "--version")
    put(host, host.bring(older), "0.0.9")
    assert "contract: 1\n" in host.run("beamfenced", "--version")
    # It serves the metrics by itself; then the network side of its successor does.
    assert host.show(NET_UNIT, "ActiveState") == "inactive"
    wait_until(lambda: scraped(lab) == (200, "ok\n"), 10, "the older one serves metrics")
    put(host, host.packages[0], now)
    wait_until(lambda: scraped(lab) == (200, "ok\n"), 10, "its successor serves metrics")
    assert host.show(NET_UNIT, "ActiveState") == "active"


def test_real_nodes_stay_isolated_whatever_befalls_the_agent(lab, host, older):
    """And reachable for their peers: by probes without a pause, over a flood of SYNs that one core
    sends, of which not one may be answered but those for an ordinary service."""
    nodes = start_nodes(lab, host)
    ports = [4369, *(node.port for node in nodes)]
    for node in nodes:
        wait_until(lambda name=node.node: any(one["node"] == name for one in host.json("ports")),
                   10, f"node {node.node} is found")
    configure(host)
    with lab.host.listen(5672):
        # The nodes listen for IPv4 alone: what asks for IPv6 finds nobody, protected or not.
        shut = [(neighbour, address, port, SILENT) for neighbour in (lab.client, lab.stranger)
                for address, those in ((neighbour.host4, ports), (neighbour.host6, ports[:1]))
                for port in those]
        peers = [(lab.peer, lab.peer.host4, port, OPEN) for port in (4369, nodes[0].port)]
        often = [*ports * 20, 5672]  # few enough answers that the watch misses none
        with Sweep(lab, lab.client, often) as sweep, Prober(*shut, *peers) as prober:
            go_through_all_that_befalls_an_agent(lab, host, older)
    prober.check(50)
    assert set(sweep.answers) == {5672} and sweep.lost == 0 and sweep.sent > 100_000
    assert attached(host) == {"client0": True, "cluster0": True, "cluster2": True}
    assert all(node.poll() is None for node in nodes)


def test_upgrade_keeps_the_configuration(host):
    text = (host.root / CONFIG[1:]).read_text()
    host.write(CONFIG, text.replace("ports: []", "ports: [9100-9155]"))
    put(host, host.packages[1], "99.0")
    assert "9100-9155" in (host.root / CONFIG[1:]).read_text()


@pytest.mark.parametrize("in_use", [True, False])
def test_upgrade_leaves_the_shipped_file_that_is_in_use(lab, packages, tmp_path, in_use):
    """The first version that ships another one must not close, or open, an interface by that."""
    shipped = config_text("/run/beamfence/control.sock").replace("group: root", "group: beamfence")
    former = as_version(packages[0], tmp_path, "0.0.1", shipped)
    with Container(lab) as host:
        host.run("dpkg", "-i", host.bring(former))
        assert (host.root / CONFIG[1:]).read_text() == shipped
        if in_use:
            host.run("systemctl", "enable", "--now", UNIT)
        told = host.run("dpkg", "-i", host.bring(packages[0]))
        text = (host.root / CONFIG[1:]).read_text()
        assert ("stays as an earlier version shipped it" in told) is in_use
        assert (text == shipped) is in_use and list((host.root / CONFIG[1:]).parent.iterdir()) == [
            host.root / CONFIG[1:]]
        if in_use:
            assert all(attached(host).values())


def test_upgrade_does_not_start_what_was_not_running(lab, host):
    host.run("systemctl", "stop", UNIT)
    host.run("dpkg", "-i", host.packages[1])
    assert host.show(UNIT, "ActiveState") == "inactive"


def test_readers_look_once_a_drop_in_puts_the_agent_into_their_group(host):
    """As beamfenced(8) says."""
    host.run("groupadd", "monitoring")
    text = (host.root / CONFIG[1:]).read_text()
    host.write(CONFIG, text.replace("group: beamfence", "group: beamfence\n  readers: monitoring"))
    host.write(f"/etc/systemd/system/{UNIT}.d/readers.conf",
               "[Service]\nSupplementaryGroups=monitoring\n")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "restart", UNIT)
    reader = ("setpriv", "--reuid", "65534", "--regid", "monitoring", "--clear-groups", "beamfence")
    host.run(*reader, "status")
    assert "permission denied" in host.try_run(*reader, "reload").stderr


def test_removal_keeps_the_filter_and_says_so_and_purge_takes_it_away(lab, host):
    with lab.host.listen(4369):
        host.run("beamfence", "peers", "add", "app", "10.9.9.9")
        assert host.run("stat", "-c", "%A %U", "/var/lib/beamfence") == "drwx------ beamfence\n"
        said = host.run("dpkg", "--remove", "beamfence")
        assert "STAYS IN FORCE" in said and f"rm -r {PINS}" in said and "client0" in said
        assert lab.client.probe(lab.client.host4, 4369, 0.3) == "silent"
        assert (host.root / CONFIG[1:]).exists()
        # Installed again, it goes on, and knows the peer that was added.
        host.run("dpkg", "-i", host.packages[0])
        host.run("systemctl", "start", UNIT)
        assert "10.9.9.9" in host.run("beamfence", "peers")
        assert any("adopted" in entry["MESSAGE"] for entry in journal(host))
        host.run("dpkg", "--purge", "beamfence")
        wait_until(lambda: not lab.host.program("client0"), 5, "the program is gone")
        assert lab.client.probe(lab.client.host4, 4369) == "open"
        for path in ("/etc/beamfence", "/var/lib/beamfence", "/run/beamfence"):
            assert not (host.root / path[1:]).exists(), path
        assert host.try_run("ls", PINS).returncode != 0


def test_journal_has_fields(steady):
    host = steady
    entry = journal(host, "BEAMFENCE_INTERFACE=client0")[0]
    assert entry["MESSAGE"].startswith("attached interface=client0")
    assert (entry["BEAMFENCE_ZONE"], entry["PRIORITY"]) == ("client", "6")
    assert entry["SYSLOG_IDENTIFIER"] == "beamfenced"


def test_filter_is_in_force_before_the_network_comes_up_after_a_reboot(lab, host):
    host.halt()
    wait_until(lambda: not lab.host.program("client0"), 5, "a reboot leaves nothing")
    wants = host.root / "etc/systemd/system/test.target.wants"
    for unit in (UNIT, "systemd-networkd.service"):
        (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")
    host.boot()
    wait_until(lambda: host.show("systemd-networkd.service", "ActiveState") == "active", 10,
               "the network is configured")
    ready = int(host.show(UNIT, "ActiveEnterTimestampMonotonic"))
    network = int(host.show("systemd-networkd.service", "ExecMainStartTimestampMonotonic"))
    assert 0 < ready < network
    assert attached(host) == {"client0": True, "cluster0": True, "cluster2": True}
    # A host whose network is up early (cloud-init) would have a cycle with what comes late.
    after = host.show(UNIT, "After").split()
    assert "sysinit.target" not in after and "basic.target" not in after


def exposure(host, unit):
    """How systemd rates a unit, and its findings: name and weight."""
    said = host.run("systemd-analyze", "security", "--no-pager", unit)
    level = re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]
    return level, re.findall(r"✗ (\S+).*?\s([0-9.]+)\s*$", said, re.M)


def test_units_are_without_fault_and_hardened(steady):
    host = steady
    for unit in (UNIT, NET_UNIT):
        assert host.run("systemd-analyze", "verify", "--man=no", f"/lib/systemd/system/{unit}") == ""
    page = (ROOT / "deploy/man/beamfenced.8").read_text()
    level, found = exposure(host, UNIT)
    assert float(level) <= 1.5
    assert re.search(r"gives the unit ([0-9.]+),", page)[1] == level
    # Each finding is in the manual, with its weight.
    assert found
    for name, weight in found:
        word = re.sub(r".*=~|=$|^.*/", "", name).replace("(INET|INET6)", "INET")
        assert re.search(rf"\.It (?:.*; )?{weight} Li {re.escape(word)}\b", page), (name, weight)
    net_level, found = exposure(host, NET_UNIT)
    assert float(net_level) <= 1.5
    assert re.search(r"gives this unit ([0-9.]+):", page)[1] == net_level, found


def scraped(lab, path="/healthz"):
    """What the network side serves: status and body, None where nobody listens."""
    with contextlib.suppress(LabError):
        return curl(lab, f"http://127.0.0.1:{METRICS_PORT}{path}")
    return None


def test_network_side_has_no_privilege_and_goes_with_the_agent(lab, host):
    def serves():
        return scraped(lab) == (200, "ok\n")

    wait_until(serves, 10, "the metrics are served")
    assert "beamfence_enforcing 1" in scraped(lab, "/metrics")[1]
    process = host.run("cat", f"/proc/{host.show(NET_UNIT, 'MainPID')}/status")
    user = host.run("id", "-u", "beamfence-net").strip()
    assert re.search(r"^Uid:\t(.*)$", process, re.M)[1].split() == [user] * 4
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
        assert re.search(rf"^{kind}:\t0+$", process, re.M), kind
    assert (host.run("stat", "-c", "%A %U %G", "/run/beamfence/net.sock") ==
            "srw-rw---- beamfence beamfence-net\n")
    # The agent can make no internet socket.
    pid = host.show(UNIT, "MainPID")
    assert host.show(UNIT, "RestrictAddressFamilies").split() == ["AF_NETLINK", "AF_UNIX"]
    inodes = {line.split()[9] for table in ("tcp", "tcp6", "udp", "udp6")
              for line in host.run("cat", f"/proc/{pid}/net/{table}").splitlines()}
    files = host.run("sh", "-c", f"ls -l /proc/{pid}/fd")
    assert not set(re.findall(r"socket:\[(\d+)\]", files)) & inodes

    host.run("systemctl", "kill", "--kill-who=main", "-s", "KILL", NET_UNIT)
    wait_until(lambda: not serves(), 5, "it is gone")
    wait_until(serves, 10, "it is started again")
    before = host.show(NET_UNIT, "MainPID")
    host.run("systemctl", "restart", UNIT)
    wait_until(lambda: host.show(NET_UNIT, "MainPID") not in ("0", before) and serves(), 10,
               "it is restarted with the agent")
    for end in (("beamfence", "detach"), ("systemctl", "stop", UNIT)):
        host.run(*end)
        wait_until(lambda: host.show(NET_UNIT, "ActiveState") == "inactive", 10, "it ends with it")
        assert scraped(lab) is None
        host.run("systemctl", "start", UNIT)
        wait_until(serves, 10, "and is back with it")


def test_host_without_the_bpf_file_system_is_told_so(host):
    host.run("systemctl", "stop", UNIT)
    host.run("umount", "/sys/fs/bpf")
    assert host.try_run("systemctl", "start", UNIT).returncode != 0
    said = host.try_run("systemctl", "status", "--no-pager", UNIT, "beamfence-pins.service").stdout
    assert "Assertion failed" in said
