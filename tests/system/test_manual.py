# SPDX-License-Identifier: BSD-2-Clause
"""The man pages name everything that the programs have, and nothing else. The names come from the
programs: their help, their answers, and the texts that they are made of."""
import json
import os
import re
import subprocess
import textwrap

import pytest

from kit.fence import BEAMFENCE, BEAMFENCED
from kit.lab import BUILD, ROOT

MAN = ROOT / "deploy" / "man"
PAGES = sorted(path.name for path in MAN.iterdir())


def section(page, title):
    """The source of one section of a page."""
    text = (MAN / page).read_text()
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S)
    assert found, f"{page} has no section {title}"
    return found[1]


def words(text, macro):
    """The words in all list items whose macro this is: ".It Ic a , b" gives a and b."""
    return {word for line in re.findall(rf"^\.It {macro} (.+)$", text, re.M)
            for word in re.split(r" , | ", line) if re.fullmatch(r"[\w.-]+", word)}


def options_in(text):
    """All options that a source mentions: ".It Fl -ttl Ar time", or within a synopsis."""
    return {"--" + name for name in re.findall(r"Fl -([a-z][a-z-]*)", text)}


def said_by(*argv):
    return subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=10,
                          check=True).stdout


def sources(*below):
    """The text of all C files below these directories."""
    return "\n".join(path.read_text() for directory in below
                     for path in sorted((ROOT / directory).rglob("*.[ch]")))


def commands():
    listing = said_by(BEAMFENCE, "--help").partition("Commands:\n")[2].partition("\n\n")[0]
    return {line.split()[0] for line in listing.splitlines()}


@pytest.mark.parametrize("page", PAGES)
def test_page_is_without_fault(page):
    done = subprocess.run(["mandoc", "-T", "lint", page], cwd=MAN, capture_output=True, text=True,
                          timeout=10, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_pages_refer_to_pages_that_exist():
    references = {f"{name}.{number}" for page in PAGES for name, number in
                  re.findall(r"^\.Xr (\S+) (\d)", (MAN / page).read_text(), re.M)}
    assert references <= set(PAGES)


def test_documents_refer_to_files_and_pages_that_exist():
    documents = [*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"),
                 *(ROOT / "tests").rglob("*.md")]
    assert ROOT / "README.md" in documents
    for document in documents:
        text = document.read_text()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document}: {target}"
        assert {f"{name}.{number}" for name, number in
                re.findall(r"`(beamfence[a-z.-]*)`\((\d)\)", text)} <= set(PAGES), document


@pytest.mark.parametrize("document", ["README.md", "deploy/man/beamfence.yaml.5"])
def test_example_configurations_are_taken_without_a_warning(document, tmp_path):
    text = (ROOT / document).read_text()
    found = re.search(r"^( *)interfaces:\n(?:\1 .*\n|\1[a-z]+:\n)+", text, re.M)
    (tmp_path / "example.yaml").write_text(textwrap.dedent(found[0]))
    assert "presets: [rabbitmq]" in found[0]
    checked = json.loads(said_by(BEAMFENCE, "--json", "check", tmp_path / "example.yaml"))
    assert (checked["warnings"], checked["protected_ports"]) == ([], 514)  # as README shows


def test_every_command_is_in_the_manual():
    text = section("beamfence.8", "COMMANDS")
    manual = {line.split()[0] for line in re.findall(r"^\.It Ic (.+)$", text, re.M)}
    assert manual == commands()


def test_every_option_of_every_command_is_in_the_manual():
    program = {name: set(re.findall(r"--[a-z][a-z-]*", said_by(BEAMFENCE, name, "--help")))
               for name in commands()}
    common = {"--json", "--socket", "--help", "--version"}
    text = section("beamfence.8", "COMMANDS")
    manual = {name: set() for name in program}
    for item in re.split(r"^\.It Ic ", text, flags=re.M)[1:]:
        manual.setdefault(item.split()[0], set()).update(options_in(item))
    # What an example of another command mentions is no option of this one.
    known = {name: {option for option in options if option in completed(name)}
             for name, options in program.items()}
    assert manual == {name: options - common for name, options in known.items()}
    assert options_in(section("beamfence.8", "DESCRIPTION")) == common


def completed(command):
    return set(said_by(BEAMFENCE, "complete", command, "--").split())


def test_every_option_of_the_agent_is_in_the_manual():
    program = set(re.findall(r"^  (--[a-z-]+)", said_by(BEAMFENCED, "--help"), re.M))
    assert options_in(section("beamfenced.8", "DESCRIPTION")) == program
    assert options_in(section("beamfenced.8", "SYNOPSIS")) == program


def test_every_option_of_the_network_side_is_in_the_manual():
    program = set(re.findall(r"^  (--[a-z-]+)", said_by(BUILD / "beamfence-net", "--help"), re.M))
    manual = options_in(section("beamfenced.8", "NETWORK SIDE"))
    assert manual - {"--net-socket"} == program - {"--help", "--version"}


def test_every_reason_is_in_the_manual_under_its_verdict():
    rows = re.findall(r'X\(\w+,\s*"([a-z-]+)",\s*(PASS|DROP),',
                      (ROOT / "bpf/contract_reasons.h").read_text())
    passed, dropped = section("beamfence.8", "REASONS").split("These are dropped:")
    assert words(passed, "Cm") == {name for name, verdict in rows if verdict == "PASS"}
    assert words(dropped, "Cm") == {name for name, verdict in rows if verdict == "DROP"}


def test_every_source_of_a_port_is_in_the_manual():
    text = section("beamfence.8", "COMMANDS")
    listed = re.search(r"^\.It Ic ports\n(.*?)^\.It Ic ", text, re.M | re.S)[1]
    code = re.search(r"const char \*listener_source\(.*?\n}\n", sources("user/agent"), re.S)[0]
    assert words(listed, "Cm") == set(re.findall(r'"([a-z-]+)"', code))


def test_every_metric_is_in_the_manual():
    program = set(re.findall(r'"(beamfence_[a-z0-9_]+)"', sources("user")))
    assert words(section("beamfenced.8", "METRICS"), "Ic") - {"metrics.listen"} == program


def test_every_kind_of_warning_is_in_the_manual_and_marked_where_it_is_unhealthy():
    """[PROBLEM_PINS] = {.name = "pins", .unhealthy = true}"""
    program = {name + (" *" if "unhealthy" in rest else "") for name, rest in
               re.findall(r'\[PROBLEM_\w+\] = \{\.name = "([\w-]+)"(.*?)\}',
                          (ROOT / "user/core/problems.c").read_text(), re.S)}
    manual = re.findall(r"^\.It Li (.+)$", section("beamfenced.8", "WARNINGS"), re.M)
    assert program and (set(manual), manual) == (program, sorted(manual))


def test_every_field_of_the_journal_is_in_the_manual():
    calls = re.findall(r"\blog_line\((.*?)\);", sources("user/agent", "user/daemon", "user/net"), re.S)
    keys = {key for call in calls if "NULL" in call and not call.startswith("int level")
            for key in re.findall(r'"([a-z_-]+)",', strip_message(call))}
    fields = words(section("beamfenced.8", "JOURNAL"), "Ic")
    assert fields == {"BEAMFENCE_" + key.upper().replace("-", "_") for key in keys}


def strip_message(call):
    """The pairs of a call of log_line(): what is behind level and message, keys only."""
    plain = re.sub(r'"[^"]*"', lambda text: re.sub("[,()]", "", text[0]), call)
    arguments = re.split(r",\s*(?![^()]*\))", plain)
    return "".join(f"{word.strip()}," for word in arguments[2::2])


def test_every_key_of_the_configuration_is_in_the_manual(tmp_path):
    text = section("beamfence.yaml.5", "KEYS")
    manual = {line for line in words(text, "Ic")}
    assert manual == keys_of_the_program(tmp_path)


def keys_of_the_program(tmp_path):
    """Asks the program, which answers an unknown key with those that it accepts there."""
    path = tmp_path / "beamfence.yaml"

    def accepted(before, after=""):
        path.write_text(f"{before}not_a_key_of_anything: 1{after}\n")
        done = subprocess.run([BEAMFENCE, "check", path], capture_output=True, text=True,
                              timeout=10, check=False)
        listed = re.search(r"accepted here: (.+?)(?: \(|$)", done.stderr)
        return listed and [word.strip() for word in listed[1].split(",")]

    found = set()
    for key in accepted(""):
        inner = accepted(f"{key}:\n  ") or accepted(f"{key}:\n  - ")
        found |= {f"{key}.{name}" for name in inner} if inner else {key}
    return found


def test_every_command_of_the_control_protocol_is_in_the_manual():
    """Those that change nothing are marked, for who may only look."""
    rows = set(re.findall(r'{\s*"([a-z.]+)",\s*command_\w+}',
                          (ROOT / "user/agent/commands.c").read_text()))
    looks = re.search(r"names\[\] = {(.*?)}", (ROOT / "user/core/protocol.c").read_text(), re.S)
    looks = set(re.findall(r'"(.*?)"', looks[1]))
    items = re.findall(r"^\.It Ic (\S+)( Pq r)?$", section("beamfence-control.7", "COMMANDS"), re.M)
    assert rows and looks
    assert {name for name, mark in items} == rows
    assert {name for name, mark in items if mark} == looks


def test_exit_statuses_are_those_of_the_help():
    footer = said_by(BEAMFENCE, "--help").partition("Exit status:\n")[2]
    assert (set(re.findall(r"(?:^|  )(\d) ", footer)) ==
            set(re.findall(r"^\.It (\d)", section("beamfence.8", "EXIT STATUS"), re.M)))


def test_pages_are_installed(tmp_path):
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=ROOT,
                   capture_output=True, timeout=60, check=True)
    installed = {path.name for path in (tmp_path / "usr/share/man").rglob("*.[1-9]")}
    assert installed == set(PAGES)
    unit = (tmp_path / "usr/lib/systemd/system/beamfenced.service").read_text()
    assert "ExecStart=/usr/sbin/beamfenced --net-socket /run/beamfence/net.sock\n" in unit
    net = (tmp_path / "usr/lib/systemd/system/beamfence-net.service").read_text()
    program = re.search("ExecStart=/(.*/beamfence-net) --socket /run/beamfence/net.sock\n", net)[1]
    assert os.access(tmp_path / program, os.X_OK)
