# SPDX-License-Identifier: BSD-2-Clause
"""What is handed to container engines, as far as it can be checked without one (by hand: buildah
builds the image, and podman runs it with the capabilities of the DaemonSet)."""
import re
import subprocess

import pytest
import yaml

from kit.fence import BEAMFENCE, BEAMFENCED
from kit.lab import ROOT, run

CONTAINER = ROOT / "deploy" / "container"
UNIT = (ROOT / "deploy/systemd/beamfenced.service").read_text()


def documents():
    return {one["kind"]: one for one in
            yaml.safe_load_all((CONTAINER / "daemonset.yaml").read_text())}


def needed():
    """The capabilities that the agent keeps."""
    code = (ROOT / "user/agent/privileges.c").read_text()
    return set(re.findall(r"CAP_\w+", re.search(r"needed\[\] = {(.*?)}", code)[1]))


def test_daemonset_gives_the_capabilities_that_are_needed_and_no_more():
    pod = documents()["DaemonSet"]["spec"]["template"]["spec"]
    context = pod["containers"][0]["securityContext"]
    assert {"CAP_" + name for name in context["capabilities"]["add"]} == needed()
    assert context["capabilities"]["drop"] == ["ALL"]
    assert (context["privileged"], context["allowPrivilegeEscalation"]) == (False, False)
    # The host's interfaces, and processes by the numbers that the kernel side sees.
    assert pod["hostNetwork"] and pod["hostPID"]


def test_unit_gives_the_same():
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert set(re.search(rf"^{key}=(.*)$", UNIT, re.M)[1].split()) == needed()


def test_configuration_of_the_daemonset_is_accepted(tmp_path):
    config = tmp_path / "beamfence.yaml"
    config.write_text(documents()["ConfigMap"]["data"]["beamfence.yaml"])
    run(BEAMFENCE, "check", config)


def test_sockets_go_to_a_group_that_root_without_its_capabilities_may_give_them_to():
    config = yaml.safe_load(documents()["ConfigMap"]["data"]["beamfence.yaml"])
    assert config["control"]["group"] == "root"


def test_every_volume_is_mounted_and_every_mount_has_a_volume():
    pod = documents()["DaemonSet"]["spec"]["template"]["spec"]
    assert ({one["name"] for one in pod["volumes"]} ==
            {one["name"] for one in pod["containers"][0]["volumeMounts"]})


def test_image_has_the_libraries_that_the_programs_need():
    """Of Debian 12, which the image is; libraries of other packages come with these."""
    if 'VERSION_ID="12"' not in open("/etc/os-release", encoding="utf-8").read():
        pytest.skip("this host is not Debian 12")
    wanted = set()
    for program in (BEAMFENCED, BEAMFENCE):
        for library in re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", program)):
            path = re.search(rf"{re.escape(library)} => (\S+)", run("ldd", program))[1]
            # /lib is a link to /usr/lib, and dpkg knows one of the two.
            for candidate in (path, "/usr" + path):
                owner = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True,
                                       check=False).stdout.partition(":")[0]
                wanted |= {owner} if owner else set()
    listed = set(re.findall(r"\blib[\w.+-]+", (CONTAINER / "Dockerfile").read_text()))
    assert wanted - {"libc6"} <= listed
