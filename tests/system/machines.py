# SPDX-License-Identifier: BSD-2-Clause
"""Hosts for the Ansible role: systemd over this machine's files, each in a lab's namespace."""
import json
import os
import shutil
import subprocess

from container import TARGET, boot_command, find_leader
from lab import ROOT, run, wait_until

ROLE = ROOT / "deploy" / "ansible"
PLUGINS = ROOT / "tests" / "system" / "ansible" / "connection_plugins"
UNIT = """\
[Unit]
Description=Stand-in for the unit of the package
[Service]
Type=notify
ExecStart=/usr/sbin/beamfenced
ExecReload=/usr/sbin/beamfence reload
RuntimeDirectory=beamfence
RuntimeDirectoryPreserve=yes
[Install]
WantedBy=multi-user.target
"""
CONTROL = """\
Package: beamfence
Version: {version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: stand-in for the package
"""
POSTINST = """\
#!/bin/sh
getent group beamfence >/dev/null || groupadd --system beamfence
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	[ -z "$2" ] && verb=start || verb=try-restart
	/usr/sbin/invoke-rc.d beamfenced $verb || true
fi
"""


def make_package(directory, version="1"):
    """A package of the programs that were built, with no more than the role needs."""
    tree = directory / f"package{version}"
    run("make", "-C", ROOT, "install", f"DESTDIR={tree}", "PREFIX=/usr", "UNITDIR=", "SYSUSERSDIR=")
    (tree / "lib/systemd/system").mkdir(parents=True)
    (tree / "lib/systemd/system/beamfenced.service").write_text(UNIT)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL.format(version=version))
    (tree / "DEBIAN/conffiles").write_text("/etc/beamfence/beamfence.yaml\n")
    (tree / "DEBIAN/postinst").write_text(POSTINST)
    (tree / "DEBIAN/postinst").chmod(0o755)
    package = directory / f"beamfence{version}.deb"
    run("dpkg-deb", "--build", "-Znone", tree, package)
    return package


class Machine:
    """systemd as PID 1 in a namespace of a lab, which it goes with; its files are in memory."""

    def __init__(self, lab, namespace, name):
        self._lab = lab
        self.namespace, self.name = namespace, name
        top, bpf = lab.directory / name, lab.directory / f"{name}-bpf"
        top.mkdir()
        bpf.mkdir()
        self._mount("tmpfs", top, "mode=0755")
        self._mount("bpf", bpf, "mode=0755")
        for part in ("upper", "work", "merged"):
            (top / part).mkdir()
        self.root = top / "merged"
        self._mount("overlay", self.root,
                    f"lowerdir=/,upperdir={top}/upper,workdir={top}/work")
        units = self.root / "etc/systemd/system"
        for link in units.glob("*.wants"):  # what the machine has enabled is not the test's
            shutil.rmtree(link)
        (units / "test.target").write_text(TARGET)
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        (self.root / "etc/hostname").write_text(f"{name}\n")
        self._process = lab.popen(lab.host, boot_command(
            self.root, f"{lab.name}-{name}", namespace.name, bpf, f"--hostname={name}"),
            f"{name}.log")
        self.leader = wait_until(
            lambda: find_leader(self._process, lambda: self._process.log.read_text()[-2000:]), 20,
            f"PID 1 of {name} runs")

    def _mount(self, kind, where, options):
        run("mount", "-t", kind, "-o", options, kind, where)
        self._lab.defer(run, "umount", "-l", where)

    def wait(self):
        wait_until(lambda: self.try_run("systemctl", "is-active", "test.target").returncode == 0,
                   30, f"{self.name} is up")
        self.run("mount", "-o", "remount,rw,bind", "/proc/sys")  # as on a host that is no container
        return self

    def try_run(self, *argv, timeout=60):
        return subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--",
             "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
             *map(str, argv)], text=True, capture_output=True, check=False, timeout=timeout,
            stdin=subprocess.DEVNULL)

    def run(self, *argv, **options):
        done = self.try_run(*argv, **options)
        assert done.returncode == 0, f"{self.name}: {argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *argv):
        return json.loads(self.run("beamfence", "--json", *argv))


class Playbook:
    """ansible-playbook with the role on hosts that are given by a process in each."""

    def __init__(self, directory, hosts, groups, **variables):
        """`hosts`: by name, the variables of each; ansible_host is the process."""
        self._directory = directory
        variables = {"ansible_connection": "enter",
                     "ansible_python_interpreter": "/usr/bin/python3", **variables}
        children_ = {group: {"hosts": {host: {} for host in members}}
                     for group, members in groups.items()}
        self._inventory = {"all": {"hosts": hosts, "vars": variables, "children": children_}}

    def converge(self, group, *options, **variables):
        """Runs the role, which has to succeed; how many tasks changed something, by host."""
        status, text, recap = self.run(group, *options, **variables)
        assert status == 0, text
        return {host: int(counts["changed"]) for host, counts in recap.items()}

    def refusal(self, group, **variables):
        """Runs the role, which has to fail before it changes anything; what it says."""
        status, text, recap = self.run(group, **variables)
        assert status == 2, text
        assert {counts["changed"] for counts in recap.values()} == {"0"}, text
        return text

    def run(self, group, *options, **variables):
        """Runs the role; returns its status, what it printed, and by host how its tasks went."""
        (self._directory / "inventory.json").write_text(json.dumps(self._inventory))
        (self._directory / "play.yml").write_text(json.dumps([{
            "hosts": group, "gather_facts": False, "roles": [{"role": "beamfence"}]}]))
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory.json", "play.yml", *options,
             "-e", json.dumps(variables)],
            cwd=self._directory, text=True, capture_output=True, check=False, timeout=240,
            env={"PATH": os.environ["PATH"], "HOME": str(self._directory), "LC_ALL": "C.UTF-8",
                 "ANSIBLE_ROLES_PATH": str(ROLE / "roles"), "ANSIBLE_PIPELINING": "1",
                 "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_LOCALHOST_WARNING": "0",
                 "PYTHONDONTWRITEBYTECODE": "1"})
        text = done.stdout + done.stderr
        recap = {line.split()[0]: dict(pair.split("=") for pair in line.split()[2:])
                 for line in done.stdout.partition("PLAY RECAP")[2].splitlines()
                 if " ok=" in line}
        return done.returncode, text, recap
