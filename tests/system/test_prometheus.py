# SPDX-License-Identifier: BSD-2-Clause
"""What is shipped for Prometheus and Grafana: rules, cases, a dashboard, against a real server."""
import json
import re
import subprocess
import urllib.parse

import pytest
import yaml

from conftest import fetched, promtool
from fence import APP, Fence, samples
from lab import ROOT, Lab, LabError, http_get, wait_until

SHIPPED = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "beamfence.json"
METRIC = r"\bbeamfence[_:][a-z_:0-9]+"
PORT = 9090
SCRAPE = """\
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [rules.yml]
scrape_configs:
  - job_name: beamfence
    static_configs: [{targets: ["127.0.0.1:9369"]}]
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
            wait_until(lambda: wanted <= (now := self.firing()) and not now & unwanted, 20,
                       f"{alerts} firing, {gone} not")
        except TimeoutError as error:
            raise AssertionError(f"{error}; firing: {self.firing()}") from error


@pytest.fixture(name="watched", scope="module")
def _watched():
    """An agent with nothing to complain of, and a server that watches it."""
    with Lab("client", "peer", "stranger") as lab:
        with Fence(lab, client=["client0"], cluster=["cluster0", "cluster2"],
                   clusters=[APP]) as fence:
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


def test_alerts_fire_for_a_live_agent_and_end(watched):
    lab, fence, server = watched
    server.wait_for(gone=rules("alert"))
    fence.configure(mode="audit", client=["client0", "eht1"], cluster=["cluster0"],
                    clusters=[APP])
    fence.tell("reload")
    server.wait_for("BeamfenceAuditMode", "BeamfenceNotAttached", "BeamfenceInterfaceUnassigned")
    fence.configure(client=["client0"], cluster=["cluster0", "cluster2"], clusters=[APP],
                    extra="nonsense: 1\n")
    assert fence.ask("reload").returncode == 1
    server.wait_for("BeamfenceReloadFailed", "BeamfenceAuditMode")
    fence.configure(client=["client0"], cluster=["cluster0", "cluster2"], clusters=[APP])
    fence.tell("reload")
    server.wait_for(gone=rules("alert"))

    def knock():
        lab.stranger.probes(*[(lab.stranger.host4, port) for port in range(9100, 9110)],
                            timeout=0.1)
        return "BeamfenceStrangersKnocking" in server.firing()

    def sweep():
        lab.client.probes(*[(lab.client.host4, port) for port in range(9100, 9156)], timeout=0.1)
        return "BeamfenceClientsKnocking" in server.firing()

    wait_until(knock, 20, "BeamfenceStrangersKnocking")
    wait_until(sweep, 40, "BeamfenceClientsKnocking")
    many = [f"172.{16 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(910_000)]
    fence.configure(client=["client0"], cluster=["cluster0", "cluster2"],
                    clusters=[APP, {"name": "many", "peers": many}])
    fence.tell("reload")
    server.wait_for("BeamfencePeersNearlyFull")
    fence.kill()
    server.wait_for("BeamfenceAgentDown")
