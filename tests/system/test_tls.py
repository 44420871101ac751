# SPDX-License-Identifier: BSD-2-Clause
"""TLS distribution (inet_tls) behaves like the plain one: peers talk, clients do not."""
import pytest

from kit import erlang
from kit.erlang import pings
from kit.fence import Fence
from kit.lab import Lab, run

OPTIONS = """[{{server, [{{certfile, "{cert}"}}, {{keyfile, "{key}"}}, {{cacertfile, "{ca}"}},
            {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}]}},
 {{client, [{{certfile, "{cert}"}}, {{keyfile, "{key}"}}, {{cacertfile, "{ca}"}},
            {{verify, verify_peer}}]}}].
"""


def make_certificates(directory, name):
    """A CA and a certificate for `name`; returns the paths (ca, cert, key)."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    cert, key = directory / "node.pem", directory / "node.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "1", "-subj", "/CN=lab CA", "-keyout", ca_key, "-out", ca)
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key,
        "-out", directory / "node.csr")
    run("openssl", "x509", "-req", "-in", directory / "node.csr", "-CA", ca, "-CAkey", ca_key,
        "-CAcreateserial", "-days", "1", "-copy_extensions", "copy", "-out", cert)
    return ca, cert, key


@pytest.fixture(name="tls", scope="module")
def _tls():
    """A host with a TLS node on port 9110; lab.options are what every TLS node needs."""
    with Lab("client", "peer", "stranger") as lab:
        ca, cert, key = make_certificates(lab.directory, "host.lab")
        conf = lab.directory / "ssl_dist.conf"
        conf.write_text(OPTIONS.format(ca=ca, cert=cert, key=key))
        lab.options = ("-ssl_dist_optfile", str(conf))
        erlang.start_epmd(lab)
        erlang.start_node(lab, "secure", 9110, "inet_tls", options=lab.options)
        erlang.start_node(lab, "secure6", 9111, "inet6_tls", options=lab.options)
        yield lab


def seen_from(lab, *neighbours):
    return pings(lab, *[(one, name, carrier, lab.options) for one in neighbours
                        for name, carrier in (("secure", "inet_tls"), ("secure6", "inet6_tls"))])


def test_tls_distribution_passes_between_peers_and_is_closed_to_others(tls):
    assert seen_from(tls, tls.client, tls.peer, tls.stranger) == ["pong"] * 6
    assert pings(tls, (tls.peer, "secure")) == ["pang"]  # it is TLS indeed
    with Fence(tls) as fence:
        seen = seen_from(tls, tls.client, tls.peer, tls.stranger)
        assert seen == ["pang", "pang", "pong", "pong", "pang", "pang"]
        assert fence.count(interface="client0", reason="client-new") > 0
        assert fence.count(interface="cluster0", verdict="drop") == 0


def test_without_epmd_a_fixed_tls_port_is_closed_to_clients_as_well(tls):
    """Over the internet there is no epmd; knowing the port must not help a client."""
    def seen():
        return [one.probes((one.host4, 9110), (one.host6, 9111)) for one in (tls.client, tls.peer)]
    assert seen() == [["open", "open"], ["open", "open"]]
    with Fence(tls):
        assert seen() == [["silent", "silent"], ["open", "open"]]
