# SPDX-License-Identifier: BSD-2-Clause
"""Reaches a machine of the tests by entering the namespaces of one of its processes."""
import shlex
import subprocess

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: enter
short_description: enter the namespaces of a process
description: [Runs commands in the namespaces of a process of this host.]
author: The beamfence authors
options:
  remote_addr:
    description: The process.
    default: inventory_hostname
    vars: [{name: ansible_host}]
"""


class Connection(ConnectionBase):
    transport = "enter"
    has_pipelining = True

    def _connect(self):
        return self

    def close(self):
        pass

    def _run(self, command, data=None):
        done = subprocess.run(
            ["nsenter", "-t", str(self.get_option("remote_addr")), "-m", "-u", "-i", "-n", "-p",
             "-C", "-r", "-w", "--", "env", "-i", "HOME=/root",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/bin/sh", "-c", command],
            input=data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(cmd, in_data)

    def put_file(self, in_path, out_path):
        with open(in_path, "rb") as source:
            code, _, errors = self._run(f"cat > {shlex.quote(out_path)}", source.read())
        if code:
            raise AnsibleConnectionFailure(f"{out_path}: {errors.decode()}")

    def fetch_file(self, in_path, out_path):
        code, data, errors = self._run(f"cat {shlex.quote(in_path)}")
        if code:
            raise AnsibleConnectionFailure(f"{in_path}: {errors.decode()}")
        with open(out_path, "wb") as target:
            target.write(data)
