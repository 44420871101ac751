# SPDX-License-Identifier: BSD-2-Clause
"""What the shells offer when a key is pressed, with names that are alive."""
import os
import subprocess
import tempfile

import pytest

from kit.fence import BEAMFENCE, BUILD, Fence
from kit.lab import ROOT, Lab

COMPLETIONS = ROOT / "deploy" / "completions"
BASH = """
source {script}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() {{ :; }}
$(complete -p beamfence | sed -E 's/.*-F ([^ ]+) .*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# fish takes the line as it stands there; zsh is given what its completion system sets up.
FISH = "source {script}; complete -C \"$argv\""
ZSH = """
_call_program() {{ shift; eval "$*" }}
_files() {{ print -l -- $PREFIX*(N) }}
compadd() {{ print -l -- ${{(M)found:#$PREFIX*}} }}
words=("$@") CURRENT=$# PREFIX=$words[-1]
source {script}
"""


def in_bash(*words):
    return shell("bash", "--norc", "-c", BASH.format(script=COMPLETIONS / "beamfence.bash"),
                 "bash", *words)


def in_fish(*words):
    return shell("fish", "--no-config", "-c",
                 FISH.format(script=COMPLETIONS / "beamfence.fish"), " ".join(map(str, words)))


def in_zsh(*words):
    return shell("zsh", "-f", "-c", ZSH.format(script=COMPLETIONS / "_beamfence"), "zsh", *words)


def shell(*argv):
    """The candidates that a shell comes to, in order; a slash behind a directory's name left out."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=20,
                              check=False, cwd=ROOT,
                              env={"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": home})
    assert done.stderr == ""
    return sorted(line.split("\t")[0].rstrip("/") for line in done.stdout.splitlines() if line)


@pytest.fixture(name="socket", scope="module")
def _socket():
    """The socket of an agent with two clusters, one without peers, and with a peer added."""
    with Lab("client", "peer") as lab:
        with Fence(lab, clusters=({"name": "app", "peers": ["10.77.2.0/24"]},
                                  {"name": "appendix", "peers": []},
                                  {"name": "db", "peers": []})) as fence:
            fence.tell("peers", "add", "db", "10.9.9.9")
            fence.tell("peers", "add", "app", "10.9.9.8")
            yield fence.socket


@pytest.mark.parametrize("complete", (in_bash, in_fish, in_zsh))
def test_shell_offers_live_names(complete, socket):
    ask = ("beamfence", "--socket", socket)
    assert complete("beamfence", "cou") == ["counters"]
    assert complete(*ask, "peers", "") == ["add", "del", "list"]
    assert complete(*ask, "peers", "add", "") == ["app", "appendix", "db"]
    assert complete(*ask, "peers", "add", "app") == ["app", "appendix"]
    assert complete(*ask, "peers", "del", "db", "") == ["10.9.9.9/32"]
    assert complete(*ask, "explain", "--in", "") == ["client0", "cluster0"]
    assert complete(*ask, "explain", "--in", "cl", ) == ["client0", "cluster0"]
    assert complete("beamfence", "explain", "--d") == ["--dport", "--dst"]
    assert complete(*ask, "events", "--interface", "cl") == ["client0", "cluster0"]
    assert complete("beamfence", "events", "--type", "no") == ["node"]
    assert complete("beamfence", "counters", "--a") == ["--all"]
    assert complete("beamfence", "peers", "add", "x", "1.2.3.4", "--ttl", "1") == ["15m", "1h"]


@pytest.mark.parametrize("complete", (in_bash, in_fish, in_zsh))
def test_shell_offers_files_where_a_file_is_named(complete):
    assert complete("beamfence", "check", "README") == ["README.md"]
    assert complete("beamfence", "try", "--for", "1h", "README") == ["README.md"]
    assert complete("beamfence", "capture", "-w", "README") == ["README.md"]
    assert complete("beamfence", "metrics", "--textfile", "README") == ["README.md"]


@pytest.mark.parametrize("complete", (in_bash, in_fish, in_zsh))
def test_without_an_agent_nothing_is_offered_and_nothing_said(complete, tmp_path):
    assert complete("beamfence", "--socket", tmp_path / "none", "peers", "add", "") == []


def test_bash_and_option_with_equals_sign(socket):
    """bash takes "--in=cli" for three words."""
    assert in_bash("beamfence", "--socket", "=", socket, "explain", "--in", "=",
                   "cli") == ["client0"]
    assert in_bash("beamfence", "--socket", "=", socket, "explain", "--in",
                   "=") == ["client0", "cluster0"]


def completed(*words):
    return subprocess.run([BEAMFENCE, "complete", *words], capture_output=True, text=True,
                          timeout=10, check=True).stdout.split()


def test_words_after_the_last_one_that_a_command_takes_are_not_offered():
    assert completed("peers", "list", "") == []
    assert completed("status", "") == []
    assert completed("nosuch", "") == []
    assert completed() == completed("") != []
