# SPDX-License-Identifier: BSD-2-Clause
"""Starts with a file that cannot be used: the last good configuration, or a failure that is loud."""
import os
import re

import pytest

from kit.fence import Fence, samples
from kit.lab import Lab, wait_until

PORT = 9105
MISTAKE = "interfaces: nonsense\n"


@pytest.fixture(name="host", scope="module")
def _host():
    with Lab("client") as lab, lab.host.listen(PORT):
        yield lab


@pytest.fixture(name="fence")
def _fence(host):
    fence = Fence(host, cluster=[])
    with fence:
        wait_until(lambda: kept(fence) == fence.config.read_text(), 5, "the configuration is kept")
        yield fence


def kept(fence):
    """The last good configuration in the state directory."""
    file = fence.state / "last-good.yaml"
    return file.read_text() if file.exists() else None


def closed(lab):
    return lab.client.probe(lab.client.host4, PORT, 0.5) == "silent"


def forget_kernel(fence):
    """What a reboot does to the filter."""
    fence.kill()
    fence.run("detach", "--pin-dir", fence.pins)
    wait_until(lambda: not fence.programs(), 5, "the filter is gone")


def write(text):
    return lambda fence: fence.config.write_text(text)


SPOILED = {
    "mistake": (write(MISTAKE), "beamfence.yaml:1: interfaces: "),
    "empty": (write(""), "holds no configuration"),
    "missing": (lambda fence: fence.config.unlink(), "No such file"),
    "directory": (lambda fence: (fence.config.unlink(), fence.config.mkdir()), "is a directory"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_start_with_a_file_that_cannot_be_used_puts_the_last_good_one_into_force(host, fence, how):
    spoil, reason = SPOILED[how]
    good = kept(fence)
    forget_kernel(fence)
    assert not closed(host)
    spoil(fence)
    fence.start()
    assert closed(host)
    status = fence.json("status")
    assert status["config_in_force"] == "last-good"
    assert not status["last_reload"]["ok"] and reason in status["last_reload"]["error"]
    assert len(fence.warnings("last good", reason)) == 1
    code, text = fence.health()
    assert code == 503 and reason in text
    found = samples(fence.metrics())
    assert found["beamfence_config_last_reload_successful", ()] == 0
    assert found["beamfence_warnings", (("kind", "config-last-good"),)] == 1
    said = [line for line in fence.log().splitlines() if "the last good one is put into force" in line]
    assert len(said) == 1 and " critical " in said[0] and reason in said[0]
    assert kept(fence) == good


def test_reload_with_a_mended_file_ends_the_state_and_is_kept(host, fence):
    good = kept(fence)
    fence.kill()
    fence.config.write_text(MISTAKE)
    fence.start()
    fence.ask("reload")
    assert fence.json("status")["config_in_force"] == "last-good" and closed(host)
    mended = good.replace("mode: enforce", "mode: audit")
    fence.config.write_text(mended)
    fence.tell("reload")
    status = fence.json("status")
    assert (status["config_in_force"], status["mode"]) == ("file", "audit")
    assert status["last_reload"]["ok"] and not fence.warnings("last good")
    assert fence.health() == (200, "ok\n")
    wait_until(lambda: kept(fence) == mended, 5, "it is kept")


def test_refused_reload_and_a_trial_are_not_kept_and_a_confirmed_trial_is(host, fence):
    good = kept(fence)
    fence.config.write_text(MISTAKE)
    fence.ask("reload")
    trial = fence.config.with_name("trial.yaml")
    text = good.replace("mode: enforce", "mode: audit")
    trial.write_text(text)
    fence.tell("try", trial, "--for", "1m")
    assert fence.json("status")["config_in_force"] == "trial"
    fence.end()  # with all that is to be on disk there
    assert kept(fence) == good
    fence.start()
    assert fence.json("status")["config_in_force"] == "last-good" and closed(host)
    fence.tell("try", trial, "--for", "1m")
    fence.tell("confirm")
    status = fence.json("status")
    assert status["config_in_force"] == "confirmed" and not fence.warnings("last good")
    wait_until(lambda: kept(fence) == text, 5, "it is kept")
    fence.kill()
    fence.start()
    status = fence.json("status")
    assert (status["config_in_force"], status["mode"]) == ("last-good", "audit")


def test_file_that_is_good_overrules_what_is_kept(fence):
    text = kept(fence).replace("mode: enforce", "mode: audit")
    fence.kill()
    fence.config.write_text(text)
    fence.start()
    status = fence.json("status")
    assert (status["config_in_force"], status["mode"]) == ("file", "audit")
    wait_until(lambda: kept(fence) == text, 5, "it is kept")


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("why", ["never", "spoiled too", "not readable by anybody else's leave"])
def test_without_a_last_good_one_the_start_fails_with_a_status_of_its_own(host, fence, why, reboot):
    fence.kill()
    if reboot:
        forget_kernel(fence)
    file = fence.state / "last-good.yaml"
    if why == "never":
        file.unlink()
    elif why == "spoiled too":
        file.write_text("mode: nonsense\n")
    else:
        fence.state.chmod(0o777)
    fence.config.write_text(MISTAKE)
    fence.launch()
    assert fence.process.wait(10) == 78
    last = fence.log().splitlines()[-1]
    assert " alert " in last and "beamfence.yaml:1: interfaces: " in last
    assert {"never": "no good configuration", "spoiled too": "last-good.yaml:1: ",
            "not readable by anybody else's leave": "chmod 700"}[why] in last
    if reboot:
        assert "NOTHING IS FENCED" in last and not closed(host)
    else:
        assert "stays, and nobody keeps it true" in last and closed(host)
    fence.state.chmod(0o700)


def test_agent_that_cannot_keep_anything_says_so_and_fences(host):
    fence = Fence(host, cluster=[])
    fence.state.mkdir()
    fence.state.chmod(0o777)
    with fence:
        assert closed(host)
        assert fence.warnings("nor will it know the last good configuration")
        assert kept(fence) is None


def test_large_configuration_is_kept_without_staying_in_memory(host):
    """A file of 4 MB, most of it peers."""
    peers = [f"10.{a}.{b}.{c}" for a in range(64) for b in range(64) for c in range(64)]
    fence = Fence(host, cluster=[])
    with fence:
        fence.configure(cluster=[], clusters=[{"name": "app", "ports": "9100-9155",
                                              "peers": peers}])
        done = fence.run("--socket", fence.socket, "reload", timeout=60)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: kept(fence) == fence.config.read_text(), 20, "it is kept")
        fence.configure(cluster=[])
        fence.tell("reload")
        wait_until(lambda: kept(fence) == fence.config.read_text(), 5, "it is kept")
        with open(f"/proc/{fence.process.pid}/status", encoding="ascii") as status:
            kib = int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])
        assert kib < 8 * 1024 + 8 * max(0, os.cpu_count() - 2)
