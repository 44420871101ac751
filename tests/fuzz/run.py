# SPDX-License-Identifier: BSD-2-Clause
"""make fuzz: runs the fuzzers, two at a time, each from its corpus, and prints what they reached.

The seconds are of CPU time, so that they mean the same on a busy machine. What is new goes to
BUILD/fuzz/corpus/NAME, where the next run goes on from; a finding is kept in BUILD/fuzz/findings,
and replayed by naming it: BUILD/fuzz-NAME FILE. Ends with the line "N passed, N failed".
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Beside the defaults: lines that are longer than the control protocol lets most be.
OPTIONS = {"control": ["-max_len=36000", f"-dict={HERE / 'control.dict'}"], "config": [f"-dict={HERE / 'config.dict'}"],
           "netlink": [f"-dict={HERE / 'netlink.dict'}"],
           "http": [f"-dict={HERE / 'http.dict'}"],
           "cmdline": [f"-dict={HERE / 'cmdline.dict'}"]}
UNIT_S = 60  # that one input may take, on a busy machine; a hang is a finding
PATIENCE = 20  # seconds for each of CPU time, on a machine that others keep busy
ROW = "{:<10} {:>6} {:>12} {:>9} {:>13} {:>7} {:>7}  {}"


def command(build, name, seconds):
    new, findings = build / "fuzz" / "corpus" / name, build / "fuzz" / "findings"
    for directory in (new, findings):
        directory.mkdir(parents=True, exist_ok=True)
    return [build / f"fuzz-{name}", f"-max_total_time={PATIENCE * seconds}",
            f"-timeout={UNIT_S}",
            "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-",
            *OPTIONS.get(name, []), new, HERE / "corpus" / name]


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def cpu_s(pid):
    """That the process, which may have ended but was not waited for, has run."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(argv, seconds):
    """Runs one for so long, tells it to end, and returns exit status, output and CPU time."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=output) as process:
            while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if cpu_s(process.pid) >= seconds:
                    process.send_signal(signal.SIGUSR1)
                time.sleep(0.1)
            used = cpu_s(process.pid)
        output.seek(0)
        return process.returncode, output.read(), used


def fuzz(build, name, seconds):
    """Runs one; its row of the table, and its output where it found something."""
    status, text, used = run([str(word) for word in command(build, name, seconds)], seconds)
    units = number(r"number_of_executed_units: *(\d+)", text)
    edges, of_edges = number(r" cov: (\d+)", text), number(r"Loaded 1 modules +\((\d+)", text)
    row = ROW.format(name, f"{used:.0f}", units, int(units / max(used, 0.1)),
                     f"{edges}/{of_edges}", number(r" ft: (\d+)", text),
                     number(r" corp: (\d+)", text), "FINDING" if status else "-")
    return row, text if status else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--seconds", type=int, default=60, help="of CPU time, for each")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    began, failed = time.monotonic(), 0
    print(ROW.format("fuzzer", "CPU s", "executions", "a second", "edges", "states", "corpus", "findings"))
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count())) as pool:
        runs = [pool.submit(fuzz, options.build.resolve(), name, options.seconds)
                for name in options.names]
        for run in runs:
            row, finding = run.result()
            print(row, flush=True)
            if finding:
                failed += 1
                print("\n".join(finding.splitlines()[-60:]))
    print(f"\n{len(runs) - failed} passed, {failed} failed in {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
