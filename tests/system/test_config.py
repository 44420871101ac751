# SPDX-License-Identifier: BSD-2-Clause
"""Mistakes in a configuration: one line with file, line and reason, status 1, nothing changed."""
import os
import shutil
import subprocess

import pytest

from kit.fence import BEAMFENCE, Fence, config_text
from kit.lab import ROOT, Lab

EXAMPLE = ROOT / "deploy" / "config" / "beamfence.yaml"
GOOD = """\
mode: enforce
interfaces:
  client: ["client0"]
  cluster: ["cluster0"]
epmd:
  ports: [4369]
clusters:
  - name: app
    ports: [9100-9155, 25672]
    peers: ["10.0.1.0/24", "fd00:1::/64"]
  - name: db
    ports: [9200]
metrics:
  listen: "127.0.0.1:9369"
"""
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi"))

# name: (what is replaced in GOOD, by what, the line that is blamed, what the reason quotes)
EDITS = {
    "unknown key": ("mode:", "mood:", 1, "mood"),
    "unknown key further in": ("  listen:", "  lissen:", 14, "lissen"),
    "unknown key of a cluster": ("    peers:", "    pears:", 10, "pears"),
    "duplicate key": ("epmd:\n", "mode: audit\nepmd:\n", 5, "mode"),
    "duplicate port": ("ports: [9200]", "ports: [9200, 9200]", 12, "9200"),
    "duplicate peer": ('"fd00:1::/64"', '"10.0.1.0/24"', 10, "10.0.1.0/24"),
    "bad mode": ("enforce", "enforced", 1, "enforced"),
    "list where a value belongs": ("mode: enforce", "mode: [enforce]", 1, "mode"),
    "value where a list belongs": ("ports: [4369]", "ports: 4369", 6, "ports"),
    "keys where a list belongs": ("ports: [4369]", "ports: {4369: 1}", 6, "ports"),
    "value where keys belong": ("epmd:\n  ports: [4369]", "epmd: 4369", 5, "epmd"),
    "word for a port": ("[9200]", "[erlang]", 12, "erlang"),
    "port 0": ("[9200]", "[0]", 12, "0"),
    "port 70000": ("[9200]", "[70000]", 12, "70000"),
    "port beyond 64 bits": ("[9200]", "[99999999999999999999]", 12, "99999999999999999999"),
    "negative port": ("[9200]", "[-1]", 12, "-1"),
    "range to 70000": ("[9200]", "[9200-70000]", 12, "9200-70000"),
    "reversed range": ("9100-9155", "9155-9100", 9, "9155-9100"),
    "half a range": ("9100-9155", "9100-", 9, "9100-"),
    "broken prefix": ("10.0.1.0/24", "10.0.1.300/24", 10, "10.0.1.300/24"),
    "prefix too long": ("10.0.1.0/24", "10.0.1.0/33", 10, "10.0.1.0/33"),
    "IPv6 prefix too long": ("fd00:1::/64", "fd00:1::/129", 10, "fd00:1::/129"),
    "prefix with host bits set": ("10.0.1.0/24", "10.0.1.7/24", 10, "10.0.1.7/24"),
    "IPv6 prefix with host bits set": ("fd00:1::/64", "fd00:1::1/64", 10, "fd00:1::1/64"),
    "name for a prefix": ("10.0.1.0/24", "db.example.org", 10, "db.example.org"),
    "interface in two zones": ('"cluster0"', '"client0"', 4, "client0"),
    "interface twice in a zone": ('"client0"', '"client0", "client0"', 3, "client0"),
    "interface name too long": ('"client0"', '"averyveryverylongname0"', 3, "averyvery"),
    "a slash": ('"client0"', '"client0/5"', 3, "client0/5"),
    "loopback": ('"client0"', '"lo"', 3, "lo"),
    "cluster without a name": ("  - name: db\n    ports", "  - ports", 11, "name"),
    "cluster with an empty name": ("name: db", 'name: ""', 11, "name"),
    "two clusters of one name": ("name: db", "name: app", 11, "app"),
    "two clusters with one port": ("[9200]", "[9200, 9120-9121]", 12, "9120-9121"),
    "a cluster's port is epmd's": ("[9200]", "[4369]", 12, "4369"),
    "bad choice for fixed ports": ("metrics:", "discovery:\n  fixed: ignore\nmetrics:", 14,
                                   "ignore"),
    "bad address of the metrics": ("127.0.0.1:9369", "somewhere", 14, "somewhere"),
    "no YAML": ("[4369]", "[4369", None, ""),
    "tab for indentation": ("  ports: [4369]", "\tports: [4369]", 6, ""),
    "second document": ("metrics:", "---\nmetrics:", 13, ""),
    "non-UTF-8": ("name: db", "name: d\udcff", 11, ""),
    "NUL": ("name: db", "name: d\0b", 11, ""),
    "anchors": ("[4369]", "&ports [4369]", 6, "anchors"),
    "billion laughs": ("mode: enforce\n", LAUGHS + "mode: enforce\n", 1, ""),
    "nested a thousand deep": ("[4369]", "[" * 1000 + "]" * 1000, 6, ""),
}


def edited(name):
    old, new, _, _ = EDITS[name]
    assert GOOD.count(old) >= 1
    at = GOOD.rindex(old) if name == "bad address of the metrics" else GOOD.index(old)
    return (GOOD[:at] + new + GOOD[at + len(old):]).encode("utf-8", "surrogateescape")


def check(path):
    return subprocess.run([BEAMFENCE, "check", path], capture_output=True, timeout=20, check=False,
                          text=True, errors="strict")


def blames(done, path, line, quoted):
    assert done.returncode == 1, done
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert str(path) in done.stderr
    if line:
        assert f"{path.name}:{line}: " in done.stderr, done.stderr
    reason = done.stderr.partition(path.name)[2]
    assert quoted in reason and len(reason.strip()) > 10
    assert done.stderr[:-1].isprintable(), done.stderr


@pytest.fixture(name="path")
def _path(tmp_path):
    yield tmp_path / "mistaken.yaml"
    shutil.rmtree(tmp_path)  # some are large, and pytest would keep them


@pytest.mark.parametrize("path", [EXAMPLE])
def test_example_configuration_is_accepted(path):
    done = check(path)
    assert (done.returncode, done.stderr) == (0, "")


def test_configuration_that_the_mistakes_start_from_is_accepted(path):
    path.write_text(GOOD)
    assert (check(path).returncode, check(path).stderr) == (0, "")


def test_configuration_of_the_documentation_is_accepted(path):
    path.write_text(config_text("/run/beamfence/control.sock"))
    assert check(path).returncode == 0


@pytest.mark.parametrize("name", EDITS)
def test_mistake_is_blamed_on_its_line(path, name):
    path.write_bytes(edited(name))
    blames(check(path), path, *EDITS[name][2:])


def test_check_on_the_host_names_entries_that_fit_nothing_and_interfaces_that_no_entry_fits(path):
    path.write_text('interfaces:\n  client: ["client0", "wan*"]\n  cluster: ["eth1.120", "*"]\n')
    with Lab("client", "peer") as lab, lab.host.entered():
        lines = check(path).stdout.splitlines()
        assert [line.partition("no interface")[0] for line in lines[1:]] == [
            'warning: on this host, line 2: "wan*" (client) fits ',
            'warning: on this host, line 3: "eth1.120" (cluster) fits ']
        path.write_text('interfaces:\n  client: ["eth0"]\n')
        done = check(path)
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.splitlines()[1:] == [
            'warning: on this host, line 2: "eth0" (client) fits no interface; no entry fits '
            'client0, cluster0']
        for number in range(20):
            lab.host.ip("link", "add", f"more{number}", "type", "veth", "peer", "name", f"x{number}")
        assert " and 34 more\n" in check(path).stdout


FILES = {
    "missing file": lambda path: None,
    "empty file": lambda path: path.write_bytes(b""),
    "only comments": lambda path: path.write_text("# nothing\n\n# here\n"),
    "directory": lambda path: path.mkdir(),
    "100 MB of zeros": lambda path: (path.touch(), os.truncate(path, 100 << 20)),
    "100 MB of keys": lambda path: path.write_bytes(b"m: e\n" * (20 << 20)),
    "60 MB of one list": lambda path: path.write_bytes(b"interfaces:\n  client: [" +
                                                       b"a, " * (20 << 20) + b"a]\n"),
    "pipe": os.mkfifo,
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 10),
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_no_configuration_is_refused(path, name):
    FILES[name](path)
    blames(check(path), path, None, "")


def test_check_without_a_file_is_wrong_usage():
    done = subprocess.run([BEAMFENCE, "check"], capture_output=True, text=True, check=False,
                          timeout=10)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_no_mistake_changes_anything_in_a_running_agent():
    with Lab("client") as lab, lab.host.listen(9105), Fence(lab, cluster=["cluster0"]) as fence:
        def state():
            status = fence.json("status")
            return (status["mode"], status["interfaces"], fence.json("ports"), fence.json("peers"))
        before = state()
        for name in EDITS:
            fence.config.write_bytes(edited(name))
            blames(fence.ask("reload"), fence.config, *EDITS[name][2:])
            assert state() == before, name
        for name, make in FILES.items():
            fence.config.unlink()
            make(fence.config)
            blames(fence.ask("reload"), fence.config, None, "")
            assert state() == before, name
            if fence.config.is_dir():
                fence.config.rmdir()
            fence.config.touch()
        assert lab.client.probe(lab.client.host4, 9105, 0.5) == "silent"
        fence.configure(cluster=["cluster0"])
        fence.tell("reload")
        assert state() == before


def test_status_says_what_discovery_leaves_open():
    def discovery(fence, **settings):
        fence.configure(cluster=["cluster0"], discovery=settings)
        fence.tell("reload")
        status = fence.json("status")
        return status["discovery"], fence.warnings(), fence.tell("status")
    with Lab() as lab, Fence(lab, cluster=["cluster0"]) as fence:
        found, warnings, text = discovery(fence, fixed="known")
        assert found == {"listeners": True, "autobound": "protect", "fixed": "known"}
        assert warnings == []
        assert "fixed ports known (a port that a node chose itself is open for" in text
        found, warnings, text = discovery(fence, fixed="protect", autobound="ignore")
        assert found == {"listeners": True, "autobound": "ignore", "fixed": "protect"}
        assert "discovery: autobound ports ignore, fixed ports protect\n" in text
        assert warnings == []
        found, warnings, text = discovery(fence, fixed="protect", listeners=False)
        assert found["listeners"] is False and "\ndiscovery: off: " in text
        assert len(warnings) == 1 and "discovery.listeners is false" in warnings[0]
