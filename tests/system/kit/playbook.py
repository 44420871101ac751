# SPDX-License-Identifier: BSD-2-Clause
"""ansible-playbook with the role, on containers."""
import json
import os
import subprocess

from kit.lab import ROOT

ROLE = ROOT / "deploy" / "ansible"
PLUGINS = ROOT / "tests" / "system" / "ansible" / "connection_plugins"


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
