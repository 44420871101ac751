# SPDX-License-Identifier: BSD-2-Clause
"""The Ansible role: its style, what it works out, and a run on a host with systemd.

Two hosts with a RabbitMQ cluster, upgrade and removal: ansible_cluster.py (make check-ansible).
"""
import base64
import importlib.util
import json
import re
import subprocess

import jinja2
import jsonschema
import pytest
import yaml
from ansible.errors import AnsibleFilterError

from kit.container import Container
from kit.fence import APP, BEAMFENCE
from kit.lab import Lab, wait_until
from kit.playbook import ROLE, Playbook

MODULE = ROLE / "roles" / "beamfence" / "filter_plugins" / "beamfence.py"
SPECS = yaml.safe_load((ROLE / "roles/beamfence/meta/argument_specs.yml").read_text())
OPTIONS = SPECS["argument_specs"]["main"]["options"]
SCHEMA = json.loads(subprocess.run([BEAMFENCE, "schema"], capture_output=True, check=True,
                                   timeout=10).stdout)


@pytest.fixture(name="filters", scope="module")
def _filters():
    spec = importlib.util.spec_from_file_location("beamfence_filters", MODULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lint(*argv):
    done = subprocess.run(argv, cwd=ROLE, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_linters_find_nothing():
    assert "production" in (ROLE / ".ansible-lint").read_text()
    lint("ansible-lint", "--nocolor")
    lint("yamllint", "--strict", ".", "../prometheus")


def test_every_variable_has_a_type_and_the_default_that_it_says():
    defaults = yaml.safe_load((ROLE / "roles/beamfence/defaults/main.yml").read_text())
    assert defaults == {name: option["default"] for name, option in OPTIONS.items()}
    assert all("type" in option and "description" in option for option in OPTIONS.values())


SHORT = {"interfaces.client": "client_interfaces", "interfaces.cluster": "cluster_interfaces",
         "interfaces.trusted": "trusted_interfaces", "interfaces.attach": "attach",
         "discovery.exempt_ports": "exempt_ports"}
# Of a cluster, what the role works the peers out from.
OWN = {"groups", "interface"}


def keys(schema, before=""):
    """All keys that the program knows, by their paths, with what the schema says of each."""
    for name, value in schema["properties"].items():
        if "properties" in value:
            yield from keys(value, f"{before}{name}.")
        else:
            yield before + name, value


def variable(key):
    return "beamfence_" + SHORT.get(key, key.replace(".", "_"))


def assert_same(option, value):
    """A variable takes what the key takes."""
    choices = option.get("choices")
    words = value["items"] if value.get("type") == "array" else value
    assert set(choices or ()) == set(words.get("enum", ()))
    assert (option["type"] == "list") == (value.get("type") == "array")
    assert (option["type"] == "bool") == (value.get("type") == ["boolean", "string"])
    if not option.get("required"):
        assert option["default"] == value.get("default", [] if option["type"] == "list" else "")


def test_every_key_of_the_program_is_a_variable_of_its_kind():
    for key, value in keys(SCHEMA):
        assert_same(OPTIONS[variable(key)], value)
    cluster = OPTIONS["beamfence_clusters"]["options"]
    inner = dict(keys(SCHEMA["properties"]["clusters"]["items"]))
    assert set(cluster) - OWN == set(inner)
    for key, value in inner.items():
        assert_same(cluster[key], value)


def other_value(value):
    """One that the schema takes and that is not the default."""
    kind = value.get("type")
    if kind == "array":
        if "properties" in value["items"]:
            return [{key: "app" if key == "name" else other_value(inner)
                     for key, inner in keys(value["items"])}]
        return [other_value(value["items"])]
    words = value.get("enum", [])
    if words:
        return next(word for word in words if word != value.get("default"))
    if kind == ["boolean", "string"]:
        return not value["default"]
    candidates = ("7001", "10.9.0.0/16", "monitoring", "/run/other.sock", "off")
    return next(one for one in candidates if one != value.get("default")
                and jsonschema.Draft7Validator(value).is_valid(one))


def test_what_every_variable_is_set_to_gets_into_the_file():
    wanted = {key: other_value(value) for key, value in keys(SCHEMA)}
    variables = {name: option["default"] for name, option in OPTIONS.items()}
    variables |= {variable(key): value for key, value in wanted.items()}
    cluster = wanted["clusters"][0]
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"to_json": json.dumps, "bool": bool}
    template = environment.from_string(
        (ROLE / "roles/beamfence/templates/beamfence.yaml.j2").read_text())
    found = yaml.safe_load(template.render(
        variables, beamfence__peers={cluster["name"]: cluster["peers"]}))
    jsonschema.validate(found, SCHEMA)
    for key, value in wanted.items():
        section, _, name = key.rpartition(".")
        assert (found[section] if section else found)[name] == value, key


def facts(*addresses, interface="eth1", ipv6=()):
    return {"ansible_facts": {
        "interfaces": ["lo", interface],
        interface.replace("-", "_"): {
            "ipv4": {"address": addresses[0]} if addresses else {},
            "ipv4_secondaries": [{"address": one} for one in addresses[1:]],
            "ipv6": [{"address": one, "scope": scope} for one, scope in ipv6]}}}


def test_peers_are_the_other_hosts_of_the_groups_on_their_cluster_interface(filters):
    hostvars = {"a": facts("10.0.0.1"),
                "b": {**facts("10.0.0.2", "10.0.0.12", interface="br-0"),
                      "beamfence_cluster_interfaces": ["br-0"]},
                "c": facts(ipv6=[("fe80::1", "link"), ("fd00::3", "global")])}
    clusters = [{"name": "app", "groups": ["app"], "peers": ["192.0.2.0/24"]}, {"name": "db"}]
    assert filters.peers(clusters, {"app": ["a", "b", "c"]}, hostvars, "a", ["eth1"]) == {
        "app": ["10.0.0.12", "10.0.0.2", "192.0.2.0/24", "fd00::3"], "db": []}


@pytest.mark.parametrize("hostvars, words", [
    (facts("10.0.0.1", interface="eth7"), 'no address on "eth1" (it has eth7)'),
    ({**facts("10.0.0.1"), "beamfence_cluster_interfaces": ["eth*"]}, "which interface"),
])
def test_a_peer_without_an_address_is_a_clear_failure(filters, hostvars, words):
    with pytest.raises(AnsibleFilterError, match='cluster "app": peer b') as caught:
        filters.peers([{"name": "app", "groups": ["app"]}], {"app": ["b"]}, {"b": hostvars}, "a",
                      ["eth1"])
    assert words in str(caught.value)


APP_OF_AB = [{"name": "app", "groups": ["app"], "peers": ["192.0.2.0/24"]}]
IN_FORCE = base64.b64encode(json.dumps({"clusters": [
    {"name": "app", "peers": ["10.0.0.2", "10.0.0.3"]},
    {"name": "db", "peers": ["10.0.0.9"]}]}).encode()).decode()


@pytest.mark.parametrize("hostvars, in_force, wanted", [
    ({}, "", []),
    ({}, IN_FORCE, ["10.0.0.2", "10.0.0.3"]),
    ({}, base64.b64encode(b"[of somebody else").decode(), []),
    ({"beamfence_peer_addresses": ["10.0.0.7"]}, IN_FORCE, ["10.0.0.7"]),
    ({**facts("10.0.0.1"), "beamfence_peer_addresses": ["10.0.0.7"]}, "", ["10.0.0.7"]),
])
def test_a_host_that_does_not_answer_keeps_what_is_in_force(filters, hostvars, in_force, wanted):
    found = filters.peers(APP_OF_AB, {"app": ["a", "b"]}, {"a": facts("10.0.0.1"), "b": hostvars},
                          "a", ["eth1"], in_force)
    assert found == {"app": sorted([*wanted, "192.0.2.0/24"])}


def test_reserved_ports_keep_those_of_others(filters):
    first = filters.reserved([9100, 9101, 4369], "80,9000-9002\n", "")
    assert first == {"others": "80,9000-9002", "beamfence": "4369,9100-9101",
                     "all": "80,4369,9000-9002,9100-9101"}
    written = "# others: 80,9000-9002\n# beamfence: 4369,9100-9101\n"
    again = filters.reserved([9101], first["all"] + ",700\n", written)
    assert again == {"others": "80,700,9000-9002", "beamfence": "9101",
                     "all": "80,700,9000-9002,9101"}
    assert filters.reserved([], "\n", None) == {"others": "", "beamfence": "", "all": ""}


@pytest.fixture(name="site", scope="module")
def _site(package):
    """A host with nothing on it yet, and the role's variables for it."""
    with Lab("client", "peer") as lab, lab.host.listen(9105):
        lab.machine = Container(lab, name="solo").boot()
        lab.play = Playbook(
            lab.directory, {"solo": {"ansible_host": lab.machine.leader},
                            "dead": {"ansible_connection": "ssh", "ansible_host": "127.0.0.9",
                                     "ansible_port": 1}},
            {"app": ["solo"], "pair": ["solo", "dead"]}, beamfence_install="package", beamfence_package_file=str(package),
            beamfence_client_interfaces=["client0"], beamfence_cluster_interfaces=["cluster0"],
            beamfence_clusters=[{**APP, "ports": [APP["ports"]], "presets": ["rabbitmq"],
                                 "groups": ["app"]}])
        yield lab


def test_a_run_fences_the_host_and_the_next_has_nothing_to_change(site):
    assert site.client.probe(site.client.host4, 9105) == "open"
    site.machine.run("sysctl", "-q", "net.ipv4.ip_local_reserved_ports=8080")
    assert site.play.converge("app")["solo"] > 3
    assert site.client.probe(site.client.host4, 9105, 0.3) == "silent"
    assert site.peer.probe(site.peer.host4, 9105) == "open"
    status = site.machine.json("status")
    assert [one["attached"] for one in status["interfaces"]] == [True, True]
    reserved = site.machine.run("cat", "/proc/sys/net/ipv4/ip_local_reserved_ports").strip()
    assert reserved == "4369,6000-6500,8080,9100-9155,25672,35672-35682"
    assert site.play.converge("app", "--check", "--diff") == {"solo": 0}


def test_a_group_that_may_look_is_one_of_the_agents_and_can(site):
    assert "has no group" in site.play.refusal("app", beamfence_control_readers="monitoring")
    site.machine.run("groupadd", "monitoring")
    site.play.converge("app", beamfence_control_readers="monitoring")
    reader = ("setpriv", "--reuid", "65534", "--regid", "monitoring", "--clear-groups", "beamfence")
    site.machine.run(*reader, "status")
    assert "permission denied" in site.machine.try_run(*reader, "reload").stderr
    assert site.play.converge("app", "--check", beamfence_control_readers="monitoring") == {"solo": 0}
    site.play.converge("app")
    assert site.machine.try_run(*reader, "status").returncode
    assert site.play.converge("app", "--check") == {"solo": 0}


def test_wrong_variables_are_refused_by_their_names_before_anything_changes(site):
    text = site.play.refusal("app", beamfence_client_interfaces=["eht0"],
                             beamfence_clusters=[{"name": "app", "ports": ["9100-91"],
                                                  "peers": ["10.0.0"], "groups": ["nobody"]}])
    for words in ('beamfence_client_interfaces: this host has no interface \\"eht0\\"',
                  'ports: \\"9100-91\\" is not within 1-65535, or reversed',
                  'peers: \\"10.0.0\\" is not an address or prefix',
                  'the inventory has no group \\"nobody\\"'):
        assert words in text, text
    assert "beamfence_mode" in site.play.refusal("app", beamfence_mode="enforced")
    assert "Linux" in site.play.refusal("app", beamfence_min_kernel="99.0")
    wait_until(lambda: site.client.probe(site.client.host4, 9105, 0.3) == "silent", 1, "isolated")


def test_what_would_cut_a_connection_is_refused_until_that_is_wanted(site):
    one = {"name": "app", "ports": [APP["ports"]], "peers": ["10.77.9.0/24"]}
    before = site.machine.run("cat", "/etc/beamfence/beamfence.yaml")
    with site.peer.connect(site.peer.host4, 9105):
        text = site.play.refusal("app", beamfence_clusters=[one])
        assert "10.77.2.2 to port 9105" in text
        assert site.machine.run("cat", "/etc/beamfence/beamfence.yaml") == before
        assert site.peer.probe(site.peer.host4, 9105) == "open"
        site.play.converge("app", beamfence_clusters=[one], beamfence_cut_connections=True)
        assert site.peer.probe(site.peer.host4, 9105, 0.3) == "silent"


def test_a_dead_host_of_the_group_does_not_keep_the_role_from_the_living(site):
    clusters = [{**APP, "ports": [APP["ports"]], "groups": ["pair"]}]
    status, text, recap = site.play.run("pair", "--limit", "solo", "--check", "--diff",
                                        beamfence_clusters=clusters)
    assert status == 0 and recap["solo"]["unreachable"] == recap["solo"]["failed"] == "0", text
    assert "WARNING: dead does not answer" in text
    assert not re.findall(r"^-\s+- \"(\S+)\"", text, re.MULTILINE), "a peer in force is to go"
