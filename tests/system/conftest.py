# SPDX-License-Identifier: BSD-2-Clause
"""What all system tests share: the preconditions, said once, and a lab to test in."""
import os
import shutil

import pytest

import lab as labs
import packages

TOOLS = ("ip", "ethtool", "erl", "epmd", "nft", "openssl", "bpftool", "strace", "unshare",
         "setpriv")
# What the tests that also run in guests (tests/kernels) do without.
MORE_TOOLS = ("nmap", "clang", "rabbitmq-server", "systemd-nspawn", "dh", "lintian", "mandoc",
              "fish", "zsh", "ansible-playbook", "ansible-lint", "yamllint", "promtool",
              "prometheus", "prometheus-node-exporter")


def fetched(name):
    """A program of the host, or the one that deploy/dependencies.sh puts below build/."""
    own = labs.BUILD / "tools" / name
    return shutil.which(name) or (str(own) if own.exists() else None)


def promtool():
    return fetched("promtool")


def lacks():
    """What this machine lacks, in words; empty when all is there."""
    tools = TOOLS if "BEAMFENCE_GUEST" in os.environ else TOOLS + MORE_TOOLS
    missing = [tool for tool in tools if not fetched(tool)]
    if os.geteuid():
        missing.append("root")
    if not os.path.ismount(labs.BPFFS):
        missing.append(f"a bpffs at {labs.BPFFS}")
    return ", ".join(missing)


def pytest_configure(config):
    config.addinivalue_line("markers", "kernels: also run in a guest with another kernel")
    labs.unwind_on_signals()


@pytest.fixture(scope="session", autouse=True)
def _machine_has_all_that_is_needed():
    """A machine that lacks something skips visibly; in CI that is a failure."""
    if missing := lacks():
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report(f"this machine lacks: {missing} (deploy/dependencies.sh check brings it)")


@pytest.fixture
def lab():
    """A lab of its own for one test, without Erlang."""
    with labs.Lab("client", "peer") as one:
        yield one


@pytest.fixture(name="package", scope="session")
def _package(tmp_path_factory):
    """The Debian package as it is built here."""
    return packages.make_deb(tmp_path_factory.mktemp("package"))
