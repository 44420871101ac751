# SPDX-License-Identifier: BSD-2-Clause
"""What came of a run on one kernel, read from what the guest printed; and the tables of all."""
import json
import re

LOADED = re.compile(r"program (\w+) loaded (\d+) (\d+) (\d+) (\S+)")
REFUSED = re.compile(r"program (\w+) refused (.*)")
LACKING = re.compile(r"program (\w+) lacks (.*)")  # one that the agent can do without
FRAMES = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NO_TEST_RAN = 5  # pytest's exit status


class Result:
    """Counts, and the facts for the tables."""

    def __init__(self, release):
        self.release = release
        self.programs = {}   # name -> (instructions, verified); None: refused; (): no hook
        self.refusals = {}   # name -> why
        self.facts = {}
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.parts = {}      # name -> its own counts
        self._part = None

    def failed(self, part="guest"):
        self._add(part, failed=1)

    def skipped(self, part):
        self._add(part, skipped=1)

    def read(self, text):
        """One line of the guest's."""
        line = COLOURS.sub("", text)
        if match := re.fullmatch(r"== end (\w+) (\d+)", line):
            self._end(match[1], int(match[2]))
        elif match := re.fullmatch(r"== (\w+)", line):
            self._part = match[1]
        elif match := LOADED.fullmatch(line):
            self.programs[match[1]] = int(match[2]), int(match[3])
            self._add("verifier", passed=1)
        elif match := REFUSED.fullmatch(line):
            self.programs[match[1]], self.refusals[match[1]] = None, match[2]
            self._add("verifier", failed=1)
        elif match := LACKING.fullmatch(line):
            self.programs[match[1]] = ()
            self._add("verifier", skipped=1)
        elif match := FRAMES.search(line):
            tested, passing = int(match[1]), int(match[2])
            self._add("frames", passed=passing, failed=tested - passing)
        elif match := re.search(r"note (\{.*\})$", line):
            self.facts |= json.loads(match[1])
        elif self._part and re.search(r" in \d[\d.]*s( \(.*\))?$", line):
            for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line):
                word = "failed" if word.startswith("error") else word
                self._add(self._part, **{word: int(number)})

    def _add(self, part, **counts):
        own = self.parts.setdefault(part, dict.fromkeys(self.counts, 0))
        for word, number in counts.items():
            self.counts[word] += number
            own[word] += number

    def _end(self, part, status):
        """A part that ended badly, or before it had counted anything, has failed."""
        own = self.parts.get(part)
        if status == NO_TEST_RAN and part == "system":
            return
        if not own or (status and not own["failed"]):
            self._add(part, failed=1)
        self._part = None

    def finished(self, parts):
        """Counts what never came to its end."""
        for part in parts:
            if part not in self.parts and part != "system":
                self._add(part, failed=1)


def print_tables(results):
    names = list(dict.fromkeys(name for one in results for name in one.programs))
    head = [short(one.release) for one in results]
    print("\nInstructions of each program, and how many of them the kernel's verifier went through")
    rows = [["program", *head]]
    for name in names:
        rows.append([name, *(program_text(one, name) for one in results)])
    print_table(rows)
    print("\nTests passed of those that ran, how the filter attached, and what the kernel has")
    parts = list(dict.fromkeys(part for one in results for part in one.parts if part != "verifier"))
    devices = list(dict.fromkeys(fact for one in results for fact in one.facts
                                 if fact != "features"))
    rows = [["", *head]]
    rows += [[part, *(part_text(one, part) for one in results)] for part in parts]
    rows += [[name, *(one.facts.get(name, "-") for one in results)] for name in devices]
    rows.append(["features", *(features_text(one) for one in results)])
    print_table(rows)


def short(release):
    return re.sub("-cloud(-amd64)?", "", release)


def program_text(result, name):
    if name not in result.programs:
        return "-"
    if result.programs[name] is None:
        return "refused"
    if not result.programs[name]:
        return "no such hook"
    return "{} / {}".format(*result.programs[name])


def part_text(result, part):
    own = result.parts.get(part)
    if not own:
        return "-"
    ran = own["passed"] + own["failed"]
    return f"{own['passed']} of {ran}" if ran else "skipped"


def features_text(result):
    features = result.facts.get("features")
    return " ".join(name for name, has in features.items() if has) if features else "-"


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
