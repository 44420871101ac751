# SPDX-License-Identifier: BSD-2-Clause
"""Draws what the bench measured: "plot.py build/bench.json tests/bench/performance.svg".

Left: what an accepted peer's frame costs by the number of peers. Right: how many frames of a flood
each way to drop them gets through in a second of CPU time.
"""
import html
import json
import math
import pathlib
import sys

WIDTH, HEIGHT, TOP, BOTTOM = 860, 330, 62, 270
LINES = (("accepted peer, {} IPv4 host", "IPv4 hosts", "#1b6ca8", ""),
         ("accepted peer, {} IPv6 host", "IPv6 hosts", "#2a9d5c", ""),
         ("accepted peer, {} IPv4 prefixes", "IPv4, four lengths of prefixes", "#b5651d", ""),
         ("each frame another, {} IPv4 host", "IPv4 hosts, each frame another", "#7a3e9d", "5 4"))
COUNTS = (1, 100, 10_000, 1_000_000)
BARS = ("XDP, drops everything", "beamfence", "nft ingress", "iptables raw", "nft input")
LEFT, RIGHT = (60, 430), (580, 820)


def escape(text):
    return html.escape(str(text))


def text(x, y, words, anchor="start", size=12, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>'
            f'{escape(words)}</text>')


def median(results, name):
    return next((one["median"] for one in results if one["name"] == name and "median" in one), None)


def series(results, pattern):
    """[(peers, ns)] of a line, for the counts that were measured."""
    points = []
    for count in COUNTS:
        name = pattern.format(f"{count:,}")
        value = median(results, name) or median(results, name + "s")
        if value:
            points.append((count, value))
    return points


def left_panel(results):
    """Both axes logarithmic: from ten nanoseconds to a thousand."""
    def place(count, ns):
        x = LEFT[0] + (LEFT[1] - LEFT[0]) * math.log10(count) / 6
        y = BOTTOM - (BOTTOM - TOP - 30) * math.log10(max(ns, 10) / 10) / 2
        return x, y

    yield text(LEFT[0], 24, "A peer's frame: ns over an empty program", size=13,
               more='font-weight="bold"')
    for ns in (10, 30, 100, 300):
        _, y = place(1, ns)
        yield f'<path d="M{LEFT[0]} {y:.1f}H{LEFT[1]}" stroke="#ddd"/>'
        yield text(LEFT[0] - 6, y + 4, f"{ns:,}", "end")
    for count in COUNTS:
        yield text(place(count, 10)[0], BOTTOM + 18, f"{count:,}", "middle")
    yield text((LEFT[0] + LEFT[1]) / 2, BOTTOM + 36, "peers", "middle")
    for number, (pattern, label, colour, dash) in enumerate(LINES):
        points = [place(*point) for point in series(results, pattern)]
        if not points:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        yield (f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" '
               f'stroke-dasharray="{dash}"/>')
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        y = 26 + number * 16
        yield (f'<path d="M{LEFT[0] + 10} {y + 24}h22" stroke="{colour}" stroke-width="2" '
               f'stroke-dasharray="{dash}"/>')
        yield text(LEFT[0] + 38, y + 28, label)


def right_panel(results):
    rates = [(name, 1e3 / ns) for name in BARS
             if (ns := median(results, f"{name}: CPU time"))]
    if not rates:
        return
    yield text(RIGHT[0] - 140, 24, "A flood over veth: million drops a CPU second", size=13,
               more='font-weight="bold"')
    most, step = max(rate for _, rate in rates), (BOTTOM - TOP) / len(rates)
    for number, (name, rate) in enumerate(rates):
        y, width = TOP + number * step, (RIGHT[1] - RIGHT[0]) * rate / most
        colour = "#1b6ca8" if name == "beamfence" else "#b8b8b8"
        yield text(RIGHT[0] - 8, y + step / 2, name, "end")
        yield (f'<rect x="{RIGHT[0]}" y="{y:.1f}" width="{width:.1f}" height="{step * 0.6:.1f}" '
               f'fill="{colour}"/>')
        yield text(RIGHT[0] + width + 5, y + step / 2, f"{rate:.1f}")


def draw(facts):
    results = [one for part in facts["parts"].values() for one in part["results"]]
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'font-family="sans-serif" fill="#222">')
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    yield from left_panel(results)
    yield from right_panel(results)
    yield text(LEFT[0], HEIGHT - 6, f"make bench, Linux {facts.get('kernel', '?').split('-')[0]} "
               f"on {facts.get('machine', '?')}; medians", size=11)
    yield "</svg>"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: plot.py BENCH.JSON FILE.SVG")
    facts = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pathlib.Path(sys.argv[2]).write_text("\n".join(draw(facts)) + "\n")


if __name__ == "__main__":
    main()
