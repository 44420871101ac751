# SPDX-License-Identifier: BSD-2-Clause
"""Figures of the bench: printed as they come, and kept for the JSON."""
import statistics


def quartiles(samples):
    """Quarter, median, three quarters."""
    if len(samples) < 2:
        return samples[0], samples[0], samples[0]
    return tuple(statistics.quantiles(samples, n=4, method="inclusive"))


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Report:
    def __init__(self):
        self.results = []

    def title(self, text):
        print(f"\n{text:<62}{'median':>15}{'25 %':>15}{'75 %':>15}{'target':>10}", flush=True)

    def add(self, group, name, samples, unit, at_most=None, at_least=None, **more):
        """One figure: what was measured in each round, or a number."""
        samples = samples if isinstance(samples, (list, tuple)) else [samples]
        low, median, high = quartiles(samples)
        result = {"group": group, "name": name, "unit": unit, "median": median, "low": low,
                  "high": high, **more}
        text = ""
        if at_most is not None or at_least is not None:
            met = median <= at_most if at_most is not None else median >= at_least
            sign, target = ("≤", at_most) if at_most is not None else ("≥", at_least)
            result.update(target=target, met=met)
            text = f"{sign + ' ' + _number(target):>10}  {'met' if met else 'MISSED'}"
        self.results.append(result)
        spread = (f"{_number(low):>15}{_number(high):>15}" if len(samples) > 1 else " " * 30)
        print(f"{name + ', ' + unit if unit else name:<62}{_number(median):>15}{spread}{text}",
              flush=True)
        return median

    def skip(self, group, name, why):
        self.results.append({"group": group, "name": name, "skipped": why})
        print(f"{name:<62}skipped: {why}", flush=True)
