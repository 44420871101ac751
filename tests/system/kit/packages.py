# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package as "make deb" builds it, and others of its kind."""
import os
import re
import shutil
import subprocess

from kit import other_build
from kit.lab import ROOT, run


def make_deb(directory, source=ROOT, version=None):
    """Builds the package of a source tree below `directory`; the package's path."""
    words = ["make", "-s", "-C", source, "deb", f"BUILD={directory}"]
    done = subprocess.run([*words, f"DEB_VERSION={version}"] if version else words, text=True,
                          capture_output=True, timeout=300, check=False,
                          env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
    assert done.returncode == 0, done.stdout + done.stderr
    package, = directory.glob("deb/beamfence_*.deb")
    return package


def _speak_tcp_itself(source):
    """The agent of this source tree, as it was before there was a network side."""
    other_build.change(source / "deploy/systemd/beamfenced.service",
                       (" beamfence-net.service", ""), ("(?<=/beamfenced) --net-socket .*", ""),
                       (r"IPAddressDeny=any\n", ""),
                       ("(?<=AF_UNIX AF_)NETLINK", "INET AF_INET6 AF_NETLINK"))
    other_build.change(source / "deploy/debian/rules",
                       ("(?<=for unit in beamfenced) beamfence-net", ""),
                       (r"\n\tdh_installsystemd --name=beamfence-net.*", ""))


def make_older_deb(directory):
    """A package of an older version, which kept its tables in another layout and served its metrics
    by itself."""
    source = directory / "source"
    shutil.copytree(ROOT, source, ignore=lambda path, _: {"build", ".git"} if path == str(ROOT)
                    else ())
    other_build.alter(source, "0.0.9", layout=1)
    _speak_tcp_itself(source)
    return make_deb(directory, source, "0.0.9")


def as_version(package, directory, version, config=None):
    """A package with the same content, but for the configuration, and another version."""
    tree, copy = directory / f"as-{version}", directory / f"beamfence-{version}.deb"
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", f"Version: {version}", control.read_text(),
                              flags=re.M))
    if config:
        (tree / "etc/beamfence/beamfence.yaml").write_text(config)
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, copy)
    shutil.rmtree(tree)
    return copy
