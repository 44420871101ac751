# SPDX-License-Identifier: BSD-2-Clause
"""The JSON schema of the configuration: it knows the program's keys, takes whatever "check" takes,
and refuses what has a wrong key, kind or word."""
import json
import re
import subprocess
import textwrap

import jsonschema
import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kit.fence import BEAMFENCE
from kit.lab import ROOT
from test_manual import keys_of_the_program

SCHEMA = json.loads(subprocess.run([BEAMFENCE, "schema"], capture_output=True, check=True,
                                   timeout=10).stdout)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
FENCE = "interfaces: {client: [eth0]}\n"


def faults(text):
    """What the schema says against a file, read as YAML 1.2."""
    value = YAML(typ="safe", pure=True).load(text)
    return [fault.message for fault in VALIDATOR.iter_errors(value)]


def is_taken(text, tmp_path):
    """Whether the program takes it."""
    path = tmp_path / "beamfence.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return subprocess.run([BEAMFENCE, "check", path], capture_output=True, timeout=20,
                          check=False).returncode == 0


def example_in(document):
    text = (ROOT / document).read_text()
    found = re.search(r"^( *)interfaces:\n(?:\1 .*\n|\1[a-z]+:\n)+", text, re.M)
    return textwrap.dedent(found[0])


def shipped():
    """Every configuration that the project shows."""
    file = (ROOT / "deploy/config/beamfence.yaml").read_text()
    yield "beamfence.yaml", file
    whole = re.sub(r"^#(?=  )", "", file.replace("clusters: []", "clusters:"), flags=re.M)
    yield "beamfence.yaml, with what is in comments", whole.replace("# readers:", "readers:")
    for document in ("README.md", "deploy/man/beamfence.yaml.5"):
        yield document, example_in(document)
    for part in YAML(typ="safe").load_all((ROOT / "deploy/container/daemonset.yaml").read_text()):
        if part["kind"] == "ConfigMap":
            yield "daemonset.yaml", part["data"]["beamfence.yaml"]
    for preset in SCHEMA["properties"]["presets"]["items"]["enum"]:
        yield f"preset {preset}", FENCE + f"presets: [{preset}]\n"
        yield f"preset {preset} of a cluster", (
            FENCE + f"clusters: [{{name: a, presets: [{preset}], peers: [10.0.0.1]}}]\n")


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in shipped()])
def test_every_shipped_configuration_is_taken(text, tmp_path):
    assert is_taken(text, tmp_path)
    assert faults(text) == []


def keys_of(schema, before=""):
    for name, value in schema["properties"].items():
        inner = value.get("items", value)
        if "properties" in inner:
            yield from keys_of(inner, f"{before}{name}.")
        else:
            yield before + name


def test_the_schema_has_the_keys_that_the_program_has(tmp_path):
    assert sorted(keys_of(SCHEMA)) == sorted(keys_of_the_program(tmp_path))


def test_every_key_has_a_description():
    def described(schema):
        for value in schema.get("properties", {}).values():
            assert value["description"].endswith(".") and "  " not in value["description"]
            described(value.get("items", value))
    described(SCHEMA)


def test_presets_are_those_of_the_program():
    known = re.findall(r'\.name = "(\w+)"', (ROOT / "user/core/presets.c").read_text())
    assert SCHEMA["properties"]["presets"]["items"]["enum"] == known


REFUSED = [
    "",
    "mode: enforce\n",
    "interfaces: {}\n",
    "interfaces: {client: []}\n",
    "interfaces: {client: [], cluster: [], trusted: []}\n",
    "interfaces: [eth0]\n",
    "interfaces: {client: eth0}\n",
    "interfaces: {client: [eth0], wan: [eth1]}\n",
    "interfaces: {client: [[eth0]]}\n",
    "interfaces: {client: [lo]}\n",
    "interfaces: {client: ['']}\n",
    "interfaces: {client: [eth0/1]}\n",
    "interfaces: {client: [an_interface_name_of_the_wrong_length]}\n",
    "interfaces: {client: [eth0], attach: xdp}\n",
    *(FENCE + line for line in (
        "mod: audit", "Mode: audit", "mode: Audit", "mode: [audit]", "mode:", "mode: true",
        "epmd: 4369", "epmd: {ports: 4369}", "epmd: {port: [4369]}", "epmd: {ports: [0]}",
        "epmd: {ports: [65536]}", "epmd: {ports: [epmd]}", "epmd: {ports: [4369.5]}",
        "epmd: {ports: [9100-65536]}", "epmd: {ports: [9100 - 9155]}", "epmd: {ports: [4369, 4369]}",
        "clusters: {name: a}", "clusters: [a]", "clusters: [{}]", "clusters: [{ports: [9100]}]",
        "clusters: [{name: 'a b'}]", "clusters: [{name: ''}]",
        f"clusters: [{{name: {'a' * 64}}}]",
        "clusters: [" + ", ".join(f"{{name: a{i}}}" for i in range(65)) + "]",
        "clusters: [{name: a, peer: [10.0.0.1]}]", "clusters: [{name: a, peers: 10.0.0.1}]",
        "clusters: [{name: a, peers: [10.0.0.1/33]}]", "clusters: [{name: a, peers: [db.lan]}]",
        "clusters: [{name: a, peers: ['fd00::/129']}]", "clusters: [{name: a, peers: [167772161]}]",
        "clusters: [{name: a, nodes: [app@*, app@*]}]", "clusters: [{name: a, nodes: ['a b']}]",
        f"clusters: [{{name: a, nodes: [{'n' * 256}]}}]",
        "clusters: [{name: a, presets: [rabbit]}]", "presets: [rabbitmq, rabbitmq]",
        "presets: rabbitmq", "presets: [RabbitMQ]",
        "discovery: {listeners: on}", "discovery: {listeners: 1}", "discovery: {autobound: close}",
        "discovery: {fixed: ignore}", "discovery: {exempt_ports: 5672}", "discovery: {exempt: []}",
        "events: {journal: all}", "events: {journal: false}", "events: drops",
        "metrics: {listen: 9369}", "metrics: {listen: 'localhost:9369'}",
        "metrics: {listen: '127.0.0.1'}", "metrics: {listen: '127.0.0.1:0'}",
        "metrics: {listen: '::1:9369'}", "metrics: {listen: 'unix:metrics.sock'}",
        "control: {socket: control.sock}", "control: {socket: /run/}", "control: {sockets: /run/x}",
        f"control: {{socket: /run/{'x' * 110}}}",
        "control: {group: 0}", "control: {group: Beamfence}", "control: {readers: ''}",
        f"control: {{readers: {'x' * 33}}}")),
]
UNSAID = [FENCE + line for line in (
    "epmd: {ports: [9155-9100]}", "epmd: {ports: [0x1111]}", "epmd: {ports: ['4369', 4369]}",
    "clusters: [{name: a, ports: [4369]}]", "clusters: [{name: a}, {name: a, ports: [9100]}]",
    "clusters: [{name: a, peers: [10.0.0.1/24]}]", "clusters: [{name: a, peers: [10.0.0]}]",
    "presets: [rabbitmq]\nclusters: [{name: a}, {name: b}]", "discovery: {listeners: True}")]
UNSAID += ["interfaces: {client: [eth0], cluster: [eth0]}\n", "interfaces: {client: ['x[']}\n"]


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_a_wrong_key_kind_or_word_is_refused_by_both(text, tmp_path):
    assert not is_taken(text, tmp_path)
    assert faults(text)


@pytest.mark.parametrize("text", UNSAID)
def test_what_the_manual_says_that_the_schema_cannot_say(text, tmp_path):
    assert not is_taken(text, tmp_path)
    assert faults(text) == []


TAKEN = [FENCE + line for line in (
    "mode: 'audit'", "events: {journal: off}", "metrics: {listen: off}",
    "metrics: {listen: '[::1]:9369'}", "metrics: {listen: 'unix:/run/x.sock'}",
    "discovery: {listeners: 'false'}", "epmd: {ports: []}", "epmd: {ports: ['4369', 5000-5001]}",
    "epmd: {ports: [1-4, 65535]}", "clusters: []", "clusters: [{name: 5}]",
    "clusters: [{name: 1.5, nodes: [7, a@*]}]", "clusters: [{name: true}]",
    "clusters: [{name: a, peers: [10.0.0.1, 0.0.0.0/0, '::/0', 'fd00::1', 'fd00::/128']}]",
    "control: {group: _x-1, readers: users}")]
TAKEN += [f"interfaces: {{trusted: [{entry}]}}\n" for entry in (
    "'*'", "eth0.120", "eth0.4095", "a.b.c", "7", "'wan[[]1]'", "'x[*]0.5'", "lo.5", "lo0", "'[!a]*'",
    "fifteen_bytes_x.4094", "'*.4094'", "true", "1.5", "'wan*:1'", "'\u00fc0'", "'w\u00a0n'")]


@pytest.mark.parametrize("text", TAKEN)
def test_what_is_odd_and_right_is_taken_by_both(text, tmp_path):
    assert is_taken(text, tmp_path)
    assert faults(text) == []


def test_whatever_the_program_takes_of_the_fuzzers_corpus_the_schema_takes(tmp_path):
    taken = 0
    for file in sorted((ROOT / "tests/fuzz/corpus/config").iterdir()):
        text = file.read_bytes()
        if not is_taken(text, tmp_path):
            continue
        try:
            found = faults(text.decode())
        except YAMLError:
            continue  # libyaml is the more lenient
        taken += 1
        assert found == [], f"{file.name}: {text!r}"
    assert taken > 20


def test_it_is_installed(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=ROOT,
                   capture_output=True, timeout=60, check=True)
    manual = (ROOT / "deploy/man/beamfence.yaml.5").read_text()
    path = re.search(r"yaml-language-server: \$schema=/(\S+)", manual)[1]
    assert json.loads((tmp_path / path).read_text()) == SCHEMA
