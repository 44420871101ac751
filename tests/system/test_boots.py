# SPDX-License-Identifier: BSD-2-Clause
"""What a host is like after a reboot, by the state of its file: the table of starts."""
import contextlib
import json
import subprocess

import pytest

from conftest import fetched
from kit.container import Container
from kit.fence import METRICS_PORT, config_text, curl, samples
from kit.lab import ROOT, Lab, LabError, wait_until

UNIT = "beamfenced.service"
CONFIG = "/etc/beamfence/beamfence.yaml"
KEPT = "/var/lib/beamfence/last-good.yaml"
GOOD = config_text("/run/beamfence/control.sock", client=["client0"], cluster=[], clusters=()).replace(
    "group: root", "group: beamfence")
ALERTS = {"BeamfenceAgentDown", "BeamfenceConfigLastGood", "BeamfenceNotAttached",
          "BeamfenceReloadFailed"}


@pytest.fixture(name="host", scope="module")
def _host(package):
    """A host with the package and a good configuration that was in force once."""
    with Lab("client") as lab, lab.host.listen(4369), Container(lab) as host:
        host.lab = lab
        host.run("dpkg", "-i", host.bring(package))
        (host.root / "etc/systemd/system/test.target.wants" / UNIT).symlink_to(
            f"/lib/systemd/system/{UNIT}")
        host.write(CONFIG, GOOD)
        host.run("systemctl", "start", UNIT)
        wait_until(lambda: kept(host) == GOOD, 10, "it is kept")
        yield host


def kept(host):
    """Through the container: the directory is the agent's alone."""
    return host.try_run("cat", KEPT).stdout


def file_of(host):
    return host.root / CONFIG[1:]


def good(host):
    host.write(CONFIG, GOOD)


def bad(host):
    host.write(CONFIG, GOOD.replace("client:", "clients:"))


def unreadable(host):
    good(host)
    file_of(host).chmod(0o600)


def missing(host):
    file_of(host).unlink()


def elsewhere(host):
    host.write(CONFIG, GOOD.replace("client0", "eth0"))


def forgotten(spoil):
    def both(host):
        spoil(host)
        host.run("rm", KEPT)
    return both


MISTAKE = f'{CONFIG}:3: unknown key "clients"'
DENIED = f"{CONFIG}: cannot be opened: Permission denied"
GONE = f"{CONFIG}: cannot be opened: No such file or directory"
ABSENT = "there is no such interface"
IN_FORCE = ("active", "last-good", 503, {"BeamfenceConfigLastGood", "BeamfenceReloadFailed"})
FAILED = ("open", "failed", None, None, {"BeamfenceAgentDown"})
# How the file is: what a client meets at epmd, the unit, what is in force, /healthz, the alerts, and
# what all of them give as the reason.
STARTS = {
    "good file": (good, ("silent", "active", "file", 200, set()), ""),
    "bad file": (bad, ("silent", *IN_FORCE), MISTAKE),
    "unreadable file": (unreadable, ("silent", *IN_FORCE), DENIED),
    "no file": (missing, ("silent", *IN_FORCE), GONE),
    "file for other interfaces": (elsewhere, ("open", "active", "file", 503,
                                              {"BeamfenceNotAttached"}), ABSENT),
    "bad file, never a good one": (forgotten(bad), FAILED, MISTAKE),
    "unreadable file, never a good one": (forgotten(unreadable), FAILED, DENIED),
    "no file, never a good one": (forgotten(missing), FAILED, GONE),
}


@pytest.fixture(name="reset")
def _reset(host):
    """As if the good configuration had been in force before, and no more."""
    good(host)
    file_of(host).chmod(0o644)
    host.run("systemctl", "reset-failed")  # nor counts the starts of the tests before
    host.run("systemctl", "restart", UNIT)
    wait_until(lambda: kept(host) == GOOD, 10, "it is kept")


def scraped(lab, path):
    with contextlib.suppress(LabError):
        return curl(lab, f"http://127.0.0.1:{METRICS_PORT}{path}")
    return None


def alerts(page, directory):
    """Which of the alerts fire when this page, or none, is scraped for ten minutes."""
    series = [{"series": 'up{job="beamfence",instance="a"}', "values": f"{int(page is not None)}x10"}]
    for (name, labels), value in samples(page or "").items():
        text = ",".join(f'{key}="{one}"' for key, one in (*labels, ("job", "beamfence"),
                                                          ("instance", "a")))
        series.append({"series": f"{name}{{{text}}}", "values": f"{value:f}x10"})
    firing = set()
    for alert in sorted(ALERTS):
        test = directory / "test.yml"
        test.write_text(json.dumps({
            "rule_files": [str(ROOT / "deploy/prometheus/beamfence.rules.yml")],
            "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": [
                {"eval_time": "9m", "alertname": alert, "exp_alerts": []}]}]}))
        done = subprocess.run([fetched("promtool"), "test", "rules", test], text=True,
                              capture_output=True, check=False, timeout=20)
        if done.returncode:
            assert f"alertname: {alert}" in done.stdout + done.stderr, done
            firing.add(alert)
    return firing


def observe(host, directory):
    """What is to be seen of a host: the row of the table, and the reasons that it gives."""
    lab = host.lab
    health = scraped(lab, "/healthz")
    metrics = scraped(lab, "/metrics")
    asked = host.try_run("beamfence", "--json", "status")
    status = json.loads(asked.stdout) if asked.returncode == 0 else None
    row = (lab.client.probe(lab.client.host4, 4369, 0.5), host.show(UNIT, "ActiveState"),
           status and status["config_in_force"], health and health[0],
           alerts(metrics and metrics[1], directory))
    host.run("journalctl", "--sync")
    said = {"journal": host.run("journalctl", "-b", "-u", UNIT, "--no-pager"),
            "systemctl status": host.try_run("systemctl", "status", "--no-pager", "--lines=0",
                                             UNIT).stdout}
    if health:
        said["/healthz"] = health[1]
        said["status"] = host.run("beamfence", "status")
    return row, said


def reboot(host):
    host.halt()
    wait_until(lambda: not host.lab.host.program("client0"), 20, "a reboot leaves nothing")
    host.boot()
    wait_until(lambda: host.show(UNIT, "ActiveState") in ("active", "failed"), 20,
               "the agent has started, or failed")
    if host.show(UNIT, "ActiveState") == "active":
        wait_until(lambda: scraped(host.lab, "/healthz"), 20, "the metrics are served")


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.usefixtures("reset")
def test_start_after_a_reboot(host, tmp_path, name):
    spoil, expected, reason = STARTS[name]
    spoil(host)
    reboot(host)
    row, said = observe(host, tmp_path)
    assert row == expected
    for where, text in said.items():
        if name == "file for other interfaces" and where in ("journal", "systemctl status"):
            continue  # these name the interface in other words
        assert reason in text.replace('\\"', '"'), (where, text)
    if expected is FAILED:
        assert "NOTHING IS FENCED" in said["journal"] and "NOTHING IS FENCED" in said["systemctl status"]
        assert host.show(UNIT, "ExecMainStatus") == "78" and host.show(UNIT, "NRestarts") == "0"


@pytest.mark.usefixtures("reset")
def test_failed_unit_in_the_same_boot_leaves_the_filter_and_starts_once_the_file_is_mended(host):
    bad(host)
    host.run("rm", KEPT)
    host.try_run("systemctl", "restart", UNIT)
    assert host.show(UNIT, "ActiveState") == "failed"
    said = host.try_run("systemctl", "status", "--no-pager", "--lines=0", UNIT).stdout
    assert "stays, and nobody keeps it true" in said and MISTAKE in said.replace('\\"', '"')
    assert host.lab.client.probe(host.lab.client.host4, 4369, 0.5) == "silent"
    good(host)
    host.run("systemctl", "start", UNIT)
    assert host.json("status")["config_in_force"] == "file"


@pytest.mark.usefixtures("reset")
def test_check_tells_root_that_the_agent_may_not_read_its_file(host):
    assert host.try_run("beamfence", "check", CONFIG).returncode == 0
    unreadable(host)
    done = host.try_run("beamfence", "check", CONFIG)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "the agent's user, beamfence, cannot read it: Permission denied" in done.stderr
    host.run("chgrp", "beamfence", CONFIG)
    host.run("chmod", "640", CONFIG)
    assert host.try_run("beamfence", "check", CONFIG).returncode == 0
    # Another file is nobody's business.
    host.run("cp", CONFIG, "/root/other.yaml")
    host.run("chmod", "600", "/root/other.yaml")
    assert host.try_run("beamfence", "check", "/root/other.yaml").returncode == 0


@pytest.mark.usefixtures("reset")
def test_last_good_configuration_is_the_agents_alone(host):
    assert host.run("stat", "-c", "%U %a", KEPT) == "beamfence 600\n"
    assert host.run("stat", "-c", "%U %a", "/var/lib/beamfence") == "beamfence 700\n"
