# SPDX-License-Identifier: BSD-2-Clause
"""What all system tests share: the preconditions, said once, and a lab to test in."""
import os
import shutil

import pytest

from kit import lab as labs
from kit import packages

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


# Files that run two at a time: these first, so that none of the long ones is left for the end.
LONG = ("test_package", "test_network_side", "test_failing_calls", "test_interruption",
        "test_discovery", "test_agent", "test_failures", "test_probe", "test_events")
# What measures time, or what a flood costs, has the machine to itself.
ALONE = ("test_flood", "test_zero_window", "test_abuse", "test_misses")


def pytest_configure(config):
    config.addinivalue_line("markers", "kernels: also run in a guest with another kernel")
    config.addinivalue_line("markers", "alone: not beside others, see tests/run")
    labs.unwind_on_signals()


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items):
    """A file is run by one worker, in order; so are all files that want the package."""
    for item in items:
        if item.path.stem in ALONE:
            item.add_marker(pytest.mark.alone)
        group = "package" if "package" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG
               else len(LONG))


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
