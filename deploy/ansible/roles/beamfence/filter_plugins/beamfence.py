# SPDX-License-Identifier: BSD-2-Clause
"""What the role beamfence works out: problems of its variables, peers, and ranges of ports."""
import base64
import binascii
import fnmatch
import ipaddress
import os
import re

import yaml
from ansible.errors import AnsibleFilterError

ZONES = ("beamfence_client_interfaces", "beamfence_cluster_interfaces",
         "beamfence_trusted_interfaces")
GLOB = re.compile(r"[*?\[]")


def _port_problem(text):
    """What is wrong with a port or a range, or None."""
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", str(text))
    if not match:
        return f'"{text}" is not a port (1-65535) or a range such as 9100-9155'
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        return f'"{text}" is not within 1-65535, or reversed'
    return None


def _prefix_problem(text):
    try:
        ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        return f'"{text}" is not an address or prefix'
    return None


def _interface_problems(variables, present):
    if not any(variables[name] for name in ZONES):
        yield ("beamfence_client_interfaces, beamfence_cluster_interfaces: no interface is named; "
               "list at least one")
    for name in ZONES[:2]:  # trusted ones may come and go
        for entry in variables[name]:
            device = re.sub(r"\.\d+$", "", entry)
            if not GLOB.search(entry) and entry not in present and device not in present:
                yield (f'{name}: this host has no interface "{entry}" '
                       f'(it has {", ".join(sorted(set(present) - {"lo"}))})')
            elif GLOB.search(entry) and not fnmatch.filter(present, entry):
                yield f'{name}: no interface of this host fits "{entry}"'


def _cluster_problems(cluster, groups):
    where = f'beamfence_clusters: cluster "{cluster.get("name")}"'
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", str(cluster.get("name"))):
        yield f"{where}: a name has letters, digits, '_', '-', '.'; at most 63"
    for port in cluster.get("ports") or ():
        if problem := _port_problem(port):
            yield f"{where}: ports: {problem}"
    for peer in cluster.get("peers") or ():
        if problem := _prefix_problem(peer):
            yield f"{where}: peers: {problem}"
    for group in cluster.get("groups") or ():
        if group not in groups:
            yield f'{where}: groups: the inventory has no group "{group}"'


def problems(variables, interfaces, groups):
    """One line for each variable that cannot be right on a host with these interfaces."""
    present = [str(name) for name in interfaces]
    found = list(_interface_problems(variables, present))
    for name in ("beamfence_epmd_ports", "beamfence_exempt_ports"):
        found += [f"{name}: {problem}" for port in variables[name]
                  if (problem := _port_problem(port))]
    for cluster in variables["beamfence_clusters"]:
        found += _cluster_problems(cluster, groups)
    if variables["beamfence_presets"] and len(variables["beamfence_clusters"]) > 1:
        found.append("beamfence_presets: there are several clusters; list presets under the "
                     "cluster that they are for")
    package = variables["beamfence_package_file"]
    if variables["beamfence_install"] == "package" and not os.path.isfile(package):
        found.append(f'beamfence_package_file: the control node has no file "{package}"')
    return found


def _members(cluster, groups):
    return [host for group in cluster.get("groups") or () for host in groups.get(group, ())]


def hosts_without_facts(clusters, groups, hostvars):
    """Hosts that are to be peers, and whose addresses are not known yet."""
    wanted = {host for cluster in clusters for host in _members(cluster, groups)}
    return sorted(host for host in wanted
                  if not hostvars[host].get("beamfence_peer_addresses")
                  and "interfaces" not in hostvars[host].get("ansible_facts", {}))


def _addresses(facts):
    """All addresses of an interface that another host may see."""
    found = [one["address"] for one in [facts.get("ipv4") or {}, *facts.get("ipv4_secondaries", ())]
             if "address" in one]
    found += [one["address"] for one in facts.get("ipv6", ()) if one.get("scope") != "link"]
    return [str(ipaddress.ip_address(address)) for address in found]


def _peer_addresses(cluster, host, hostvars, fallback):
    where = f'beamfence_clusters: cluster "{cluster["name"]}": peer {host}'
    facts = hostvars[host].get("ansible_facts", {})
    if given := hostvars[host].get("beamfence_peer_addresses"):
        if problem := next(filter(None, map(_prefix_problem, given)), None):
            raise AnsibleFilterError(f"{where}: beamfence_peer_addresses: {problem}")
        return [str(one) for one in given]
    own = hostvars[host].get("beamfence_cluster_interfaces") or fallback
    interface = cluster.get("interface") or next(iter(own), None)
    if not interface or GLOB.search(interface):
        raise AnsibleFilterError(
            f"{where}: which interface has its addresses? Set beamfence_cluster_interfaces of "
            "that host to a name, or \"interface\" of the cluster")
    found = _addresses(facts.get(interface.replace("-", "_"), {}))
    if not found:
        raise AnsibleFilterError(
            f'{where}: its facts show no address on "{interface}" '
            f'(it has {", ".join(sorted(set(facts["interfaces"]) - {"lo"}))})')
    return found


def _peers_in_force(content):
    """The peers of each cluster by the file of an earlier run, as slurp returns it."""
    try:
        clusters = yaml.safe_load(base64.b64decode(content)).get("clusters") or ()
        return {one["name"]: [str(peer) for peer in one.get("peers") or ()] for one in clusters}
    except (AttributeError, KeyError, TypeError, binascii.Error, UnicodeDecodeError,
            yaml.YAMLError):
        return {}  # somebody else's file: it is replaced


def peers(clusters, groups, hostvars, this_host, fallback, in_force=""):
    """The peers of each cluster: those that are listed, and the other hosts of its groups.

    While addresses of one are not known, those that the cluster has in force all stay.
    """
    result = {}
    unknown = set(hosts_without_facts(clusters, groups, hostvars)) - {this_host}
    for cluster in clusters:
        found = {str(peer) for peer in cluster.get("peers") or ()}
        for host in _members(cluster, groups):
            if host in unknown:
                found.update(_peers_in_force(in_force).get(cluster["name"], ()))
            elif host != this_host:
                found.update(_peer_addresses(cluster, host, hostvars, fallback))
        result[cluster["name"]] = sorted(found)
    return result


def _numbers(text):
    """The ports of "80,9100-9155"."""
    found = set()
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def fold(ports):
    """Ports as ranges, in the way of ip_local_reserved_ports."""
    ranges = []
    for port in sorted(set(ports)):
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def edges(ports):
    """The first and last port of each range."""
    return sorted({int(port) for part in filter(None, fold(ports).split(","))
                   for port in part.split("-")})


def reserved(wanted, now, before):
    """Which ports are to be reserved: ours, and what others reserved.

    `now` is what the kernel has, `before` the text of the file that an earlier run wrote, which
    tells its own ports from those of others.
    """
    noted = dict(re.findall(r"(?m)^# (others|beamfence): ?(.*)$", before or ""))
    written = _numbers(noted.get("others", "")) | _numbers(noted.get("beamfence", ""))
    others = (_numbers(now) - written) | _numbers(noted.get("others", ""))
    return {"others": fold(others), "beamfence": fold(wanted), "all": fold(others | set(wanted))}


class FilterModule:
    """The filters by the names that the role uses."""

    def filters(self):
        return {
            "beamfence_problems": problems,
            "beamfence_hosts_without_facts": hosts_without_facts,
            "beamfence_peers": peers,
            "beamfence_edges": edges,
            "beamfence_reserved": reserved,
        }
