# SPDX-License-Identifier: BSD-2-Clause
"""What is shipped for Prometheus and Grafana: rules, cases, a dashboard, against a real server."""
import contextlib
import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest
import yaml

from conftest import fetched, promtool
from kit.fence import APP, Fence, samples
from kit.frames import IP, TCP, to_host
from kit.lab import ROOT, Lab, LabError, http_get, wait_until
from test_discovery import acting

SHIPPED = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "beamfence.json"
METRIC = r"\bbeamfence[_:][a-z_:0-9]+"
PORT = 9090
EXPORTER_PORT = 9100
QUIET = {"client": ["client0"], "cluster": ["cluster0", "cluster2"], "clusters": [APP]}
SCRAPE = """\
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [rules.yml]
scrape_configs:
  - job_name: beamfence
    static_configs: [{targets: ["127.0.0.1:9369"]}]
  - job_name: node
    static_configs: [{targets: ["127.0.0.1:9100"]}]
"""


def rules(kind):
    groups = yaml.safe_load((SHIPPED / "beamfence.rules.yml").read_text())["groups"]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}


def check(*arguments):
    done = subprocess.run([promtool(), *arguments], cwd=SHIPPED, text=True, capture_output=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def queries(part):
    """Every expression of a dashboard, wherever it stands, and what its variables ask for."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("expr", "query") and isinstance(value, str) and "beamfence" in value:
                yield re.sub(r"label_values\((.*), \w+\)", r"\1", value)
            else:
                yield from queries(value)
    elif isinstance(part, list):
        for one in part:
            yield from queries(one)


class Prometheus:
    """A server in the host's namespace, with the shipped rules; "for" is taken out of them."""

    def __init__(self, lab):
        self._lab = lab
        directory = lab.directory / "prometheus"
        directory.mkdir()
        text = (SHIPPED / "beamfence.rules.yml").read_text()
        (directory / "rules.yml").write_text(re.sub(r"(?m)^ +for: .*\n", "", text))
        (directory / "prometheus.yml").write_text(SCRAPE)
        self.process = lab.popen(
            lab.host, [fetched("prometheus"), "--config.file=prometheus.yml",
                       "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{PORT}",
                       "--log.level=warn"],
            "prometheus.log", cwd=directory)
        wait_until(self._serves, 30, "prometheus serves")
        wait_until(lambda: self.query("beamfence_enforcing"), 30, "a scrape")

    def _serves(self):
        assert self.process.poll() is None, self.process.log.read_text()
        try:
            return http_get(self._lab.host, "127.0.0.1", PORT, "/-/ready")
        except (LabError, ConnectionError):  # 503 while it opens its storage
            return False

    def ask(self, path):
        answer = json.loads(http_get(self._lab.host, "127.0.0.1", PORT, f"/api/v1/{path}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        return self.ask("query?" + urllib.parse.urlencode({"query": expression}))["result"]

    def firing(self):
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"]
                if one["state"] == "firing"}

    def wait_for(self, *alerts, gone=()):
        wanted, unwanted = set(alerts), set(gone)
        try:
            wait_until(lambda: wanted <= (now := self.firing()) and not now & unwanted, 40,
                       f"{alerts} firing, {gone} not")
        except TimeoutError as error:
            raise AssertionError(f"{error}; firing: {self.firing()}") from error


def start_exporter(lab):
    """A node exporter with its textfile collector alone; the directory that it reads."""
    directory = lab.directory / "textfiles"
    directory.mkdir()
    lab.popen(lab.host, [fetched("prometheus-node-exporter"), "--collector.disable-defaults",
                         "--collector.textfile", f"--collector.textfile.directory={directory}",
                         f"--web.listen-address=127.0.0.1:{EXPORTER_PORT}"], "exporter.log")
    wait_until(lambda: lab.host.probe("127.0.0.1", EXPORTER_PORT) == "open", 10,
               "the node exporter serves")
    return directory


@pytest.fixture(name="watched", scope="module")
def _watched():
    """An agent with nothing to complain of, and a server that watches it."""
    with Lab("client", "peer", "stranger") as lab:
        lab.textfiles = start_exporter(lab)
        lab.service = contextlib.ExitStack()
        with Fence(lab, **QUIET) as fence:
            lab.client.probe(lab.client.host4, 9105, 0.1)
            yield lab, fence, Prometheus(lab)


def test_the_rules_and_the_example_are_valid():
    check("check", "rules", "beamfence.rules.yml")
    check("check", "config", "prometheus.yml")


def test_every_alert_fires_and_keeps_silent_in_its_cases():
    check("test", "rules", "alerts.test.yml")


def test_every_alert_has_cases_both_ways_and_a_line_in_the_runbook():
    cases = yaml.safe_load((SHIPPED / "alerts.test.yml").read_text())["tests"]
    seen = {(case["alertname"], bool(case["exp_alerts"]))
            for test in cases for case in test.get("alert_rule_test", ())}
    runbook = (SHIPPED / "README.md").read_text()
    alerts = rules("alert")
    for name, rule in alerts.items():
        assert {(name, True), (name, False)} <= seen, name
        assert f"\n| {name} |" in runbook, name
        assert set(rule["annotations"]) == {"summary", "runbook"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(re.findall(r"(?m)^\| (Beamfence\w+) \|", runbook)) == set(alerts)


def test_rules_and_dashboard_ask_only_for_metrics_that_there_are(watched):
    _, fence, _ = watched
    there = {name for name, _ in samples(fence.metrics())} | set(rules("record"))
    asked = " ".join([*(rule["expr"] for kind in ("alert", "record")
                        for rule in rules(kind).values()),
                      *queries(json.loads(DASHBOARD.read_text()))])
    names = set(re.findall(METRIC, asked))
    assert names <= there, names - there
    assert len(names) > 10


def test_every_query_of_the_dashboard_shows_something(watched):
    _, _, server = watched
    wait_until(lambda: server.query("beamfence:dropped_packets:rate5m"), 20, "the rules' turn")
    found = list(queries(json.loads(DASHBOARD.read_text())))
    assert len(found) >= 15
    for query in found:
        assert server.query(query.replace("$instance", ".*")), query


def reload(fence, **changed):
    fence.configure(**{**QUIET, **changed})
    fence.tell("reload")


def leave_in_audit_mode(_, fence):
    reload(fence, mode="audit")


def misname_an_interface(_, fence):
    reload(fence, client=["client0", "eht1"])


def leave_an_interface_out(_, fence):
    reload(fence, cluster=["cluster0"])


def cut_a_connection(lab, fence):
    lab.service = contextlib.ExitStack()
    lab.service.enter_context(lab.host.listen(9105))
    lab.service.enter_context(lab.peer.connect(lab.peer.host4, 9105))
    fence.configure(**{**QUIET, "clusters": [{**APP, "peers": []}]})
    fence.tell("reload", "--yes")


def misspell_a_key(_, fence):
    fence.configure(**QUIET, extra="nonsense: 1\n")
    assert fence.ask("reload").returncode == 1


def start_with_a_misspelt_key(_, fence):
    file = fence.state / "last-good.yaml"
    wait_until(lambda: file.exists() and file.read_text() == fence.config.read_text(), 5, "it is kept")
    fence.kill()
    fence.configure(**QUIET, extra="nonsense: 1\n")
    fence.start()


def name_interface(lab, old, new):
    lab.host.ip("link", "set", old, "down")
    lab.host.ip("link", "set", old, "name", new)
    lab.host.ip("link", "set", new, "up")


def rename_an_interface(lab, _):
    name_interface(lab, "client0", "wan9")


def fill_the_peers(_, fence):
    many = [f"172.{16 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(910_000)]
    reload(fence, clusters=[APP, {"name": "many", "peers": many}])


def let_the_textfile_age(lab, fence):
    """Written as the timer has it written, and not again: ten minutes ago by its time."""
    path = lab.textfiles / "beamfence.prom"
    fence.tell("metrics", "--textfile", path)
    os.utime(path, (time.time() - 600,) * 2)


def knock(lab, neighbour, times):
    """SYNs for a protected port, each from another address of the neighbour's network."""
    frame = bytes(to_host(lab, neighbour) / IP(src=neighbour.own4, dst=neighbour.host4) /
                  TCP(sport=4242, dport=9105, flags="S"))
    with neighbour.wire("eth0") as wire:
        for number in range(times):
            wire.send(frame[:28] + number.to_bytes(2, "big") + frame[30:])


def knock_as_a_stranger(lab, _):
    knock(lab, lab.stranger, 20)


def knock_from_many_addresses(lab, _):
    knock(lab, lab.client, 2000)


def sweep_as_clients(lab, _):
    knock(lab, lab.client, 5000)


def listen_too_often(lab, _):
    with acting(lab, "beam.smp", "many", 1_100):  # more than USER_LISTENERS_MAX
        pass


def serve_on_a_protected_port(lab, fence):
    lab.service = lab.host.listen(9110)
    reload(fence)


def kill_the_agent(_, fence):
    fence.kill()


def stop_complaining(lab, fence):
    """Mends whatever was done."""
    (lab.textfiles / "beamfence.prom").unlink(missing_ok=True)
    if "wan9" in lab.host.ip("-o", "link"):
        name_interface(lab, "wan9", "client0")
    lab.service.close()
    if fence.process.poll() is not None:
        fence.start()
    reload(fence)


# What happens, and the alert that it fires; and whether that ends at once when it is mended: where
# it counts what happened in the last minutes, it goes on.
LIVE = {
    "BeamfenceAuditMode": (leave_in_audit_mode, True),
    "BeamfenceNotAttached": (misname_an_interface, True),
    "BeamfenceInterfaceUnassigned": (leave_an_interface_out, True),
    "BeamfenceConnectionsCut": (cut_a_connection, False),
    "BeamfenceReloadFailed": (misspell_a_key, True),
    "BeamfenceConfigLastGood": (start_with_a_misspelt_key, True),
    "BeamfenceInterfaceRenamed": (rename_an_interface, True),
    "BeamfencePeersNearlyFull": (fill_the_peers, True),
    "BeamfenceTextfileStale": (let_the_textfile_age, True),
    "BeamfenceStrangersKnocking": (knock_as_a_stranger, False),
    "BeamfenceEventsLost": (knock_from_many_addresses, False),
    "BeamfenceClientsKnocking": (sweep_as_clients, False),
    "BeamfenceUnexpectedListeners": (serve_on_a_protected_port, True),
    "BeamfenceListenersUnfollowed": (listen_too_often, False),
    "BeamfenceAgentDown": (kill_the_agent, True),
}

# Linux 7 and later; a kernel that refuses; a table that takes dozens of users to fill; and drivers:
# tests/kernels/test_nics.py.
NOT_LIVE = {"BeamfenceWatchMissed", "BeamfenceWatchMissing", "BeamfenceListenersUntracked",
            "BeamfenceNotRun", "BeamfenceLargeFramesLost"}


def test_every_alert_has_a_live_case(watched):
    _, _, server = watched
    assert set(LIVE) | NOT_LIVE == set(rules("alert"))
    server.wait_for(gone=set(LIVE) | NOT_LIVE)  # nothing fires before anything happens


@pytest.mark.parametrize("alert", LIVE)
def test_alert_fires_for_a_live_agent(watched, alert):
    lab, fence, server = watched
    happen, ends = LIVE[alert]
    assert alert not in server.firing()
    happen(lab, fence)
    try:
        server.wait_for(alert)
    finally:
        stop_complaining(lab, fence)
    if ends:
        server.wait_for(gone=[alert])
