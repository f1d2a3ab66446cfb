# ruff: noqa: E501  (prose)
"""What was measured of samplers and schedules on the bundled model, told: a section of docs/samplers.md.

Reads what ``python -m benchmarks.starter`` wrote. Knows no network.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.plots import pyplot, save
from schedulers import SAMPLERS, SCHEDULES

FIGURES = Path("benchmarks/results/starter.json")
BUDGETS = ("4", "6", "10", "20", "40")  # evaluations
GOOD = 0.95  # share of objects seen, from which on a way of drawing is recommended
AWAITED = ("kl-optimal-a1111",)  # schedules that came after the last measurement
AT, BAD = "20", 0.5  # evaluations at which a way of drawing that shows fewer than so many is named
FOUR_ESTIMATES = (  # the figures are those that python -m benchmarks.stiffness printed
    "LMS, iPNDM and PNDM fail at few steps because guidance makes the ODE stiff, and rules of four past estimates are the first",
    "to lose their stability. By `python -m benchmarks.stiffness` (four prompts, 20 steps, distance to 60 of DPM++ 2M, which",
    "varies by a tenth from run to run) they are with guidance 1 as near as any, LMS 0.12, iPNDM 0.07, PNDM 0.03, DPM++ 2M 0.12:",
    "neither the model's paths nor its levels alone are to blame. Guidance 4 raises the steepest slope of the ODE from 1 to 4 or 5 at",
    "sigma 4 and 2.5 to 4 at sigma 1; times the step, a sixth to a fifth of sigma, that is 0.4 to 1, where Adams' rule is stable",
    "up to 0.3 with four estimates, 0.55 with three and 1 with two. So LMS is 3.93 away, and the same rule with three estimates",
    "0.24, with two 0.26. The jump where guidance sets in at sigma 5 adds to it (without it LMS is 0.82, iPNDM still 4.19), and",
    "Karras' levels help LMS (0.40), which reckons with their spacing, but not iPNDM (3.35).",
)


class Measured:
    """The figures of one file."""

    def __init__(self, file: Path = FIGURES) -> None:
        self.figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
        self.samplers: dict[str, dict[str, dict[str, Any]]] = self.figures["samplers"]
        self.schedules: dict[str, dict[str, dict[str, Any]]] = self.figures["schedules"]

    def section(self) -> list[str]:
        """Its lines of markdown."""
        f = self.figures
        return [
            "## On the bundled model", "",
            f"Written from what `python -m benchmarks.starter` measured with {f['prompts']} held-out prompts of one object,",
            f"guidance {f['guidance']:g} at and below sigma {f['guidance_high']:g}, the model's own schedule. *Distance*: root mean square",
            f"difference of the last latents, which have variance 1, from those of {f['teacher']} steps of Heun from the same noise;",
            "samplers that add noise draw another picture and have none. *Seen*: how often the judge of `make starter-eval`",
            f"sees the asked object ({percent(f['adherence of the teacher'])} with those many steps). Of so few prompts one is "
            f"{percent(1 / f['prompts'])}.", "",
            "![Distance and objects seen against evaluations](images/samplers-starter.svg)", "",
            *self.recommended(), "",
            *self.sampler_table(), "",
            *FOUR_ESTIMATES, "",
            "### Schedules", "",
            "DPM++ 2M, distance and objects seen at so many steps.", "",
            *self.schedule_table(), "",
            *(f"`{name}` is to be measured with the next model." for name in AWAITED), "",
            "`fitted` was searched for this model, its guidance and DPM++ 2M in 10 and 20 steps (`python -m training.starter table`,",
            "on other prompts than these). It is the model's default, with DPM++ 2M and 20 steps: from there on every object is seen,",
            "and twice the steps take twice the time.", "",
        ]  # fmt: skip

    def recommended(self) -> list[str]:
        """What to choose, by the figures."""
        lines = []
        for budget in ("6", "10", "20"):
            best = sorted(
                (name for name in self.samplers if budget in self.samplers[name]),
                key=lambda name: self._rank(name, budget),
            )[:4]
            told = ", ".join(f"{SAMPLERS[name].label} ({self._told(name, budget)})" for name in best)
            lines.append(f"- At {budget} evaluations: {told}.")
        enough = ("dpmpp-2m", "euler", "heun", "unipc-2", "euler-a", "dpmpp-2m-sde")
        told = ", ".join(f"{SAMPLERS[name].label} from {self._fewest(name)}" for name in enough)
        lines.append(f"- Evaluations from which on at least {percent(GOOD)} are seen: {told}.")
        poor = [name for name, rows in self.samplers.items() if rows[AT]["adherence"] < BAD]
        if poor:
            told = ", ".join(f"{SAMPLERS[name].label} ({self._told(name, AT)})" for name in poor)
            lines.append(f"- At {AT} evaluations fewer than {percent(BAD)} are seen with {told}.")
        return lines

    def _rank(self, name: str, budget: str) -> tuple[float, float]:
        row = self.samplers[name][budget]
        return -row["adherence"], 9.0 if row["distance"] is None else row["distance"]

    def _told(self, name: str, budget: str) -> str:
        row = self.samplers[name][budget]
        near = "" if row["distance"] is None else f", distance {row['distance']:.2f}"
        return f"{percent(row['adherence'])}{near}"

    def _fewest(self, name: str) -> str:
        for k, budget in enumerate(BUDGETS):
            rest = [self.samplers[name][b] for b in BUDGETS[k:] if b in self.samplers[name]]
            if all(row["adherence"] >= GOOD for row in rest):
                return budget
        return f"more than {BUDGETS[-1]}"

    def sampler_table(self) -> list[str]:
        head = [f"| sampler | name | {' | '.join(f'distance at {b}' for b in BUDGETS)} | "
                f"{' | '.join(f'seen at {b}' for b in BUDGETS)} |",
                "|" + "---|" * (2 + 2 * len(BUDGETS))]  # fmt: skip
        return head + [
            f"| {SAMPLERS[name].label} | `{name}` | "
            + " | ".join(_cell(rows.get(b), "distance") for b in BUDGETS) + " | "
            + " | ".join(_cell(rows.get(b), "adherence") for b in BUDGETS) + " |"
            for name, rows in self.samplers.items()
        ]  # fmt: skip

    def schedule_table(self) -> list[str]:
        steps = list(next(iter(self.schedules.values())))
        head = [f"| schedule | name | {' | '.join(f'distance at {n}' for n in steps)} | "
                f"{' | '.join(f'seen at {n}' for n in steps)} |",
                "|" + "---|" * (2 + 2 * len(steps))]  # fmt: skip
        return head + [
            f"| {schedule.label} | `{name}` | "
            + " | ".join(_cell(self.schedules.get(name, {}).get(n), "distance") for n in steps) + " | "
            + " | ".join(_cell(self.schedules.get(name, {}).get(n), "adherence") for n in steps) + " |"
            for name, schedule in SCHEDULES.items()
        ]  # fmt: skip

    def plot(self, file: Path) -> None:
        """Distance and objects seen, of the samplers that most people choose among."""
        figure, (near, seen) = pyplot().subplots(1, 2, figsize=(10, 4.2))
        for name in ("dpmpp-2m", "euler", "heun", "unipc-2", "dpmpp-3m", "euler-a", "dpmpp-2m-sde", "lcm"):
            rows = {int(b): row for b, row in self.samplers[name].items()}
            far = {b: row["distance"] for b, row in rows.items() if row["distance"] is not None}
            seen.plot(list(rows), [row["adherence"] for row in rows.values()], marker="o",
                      label=SAMPLERS[name].label)  # fmt: skip
            near.loglog(list(far), list(far.values()), marker="o", label=SAMPLERS[name].label)
        near.set_ylabel("distance to 200 steps of Heun")
        seen.set_ylabel("share of asked objects seen")
        seen.set_xscale("log")
        for axes in (near, seen):
            axes.set_xticks([int(b) for b in BUDGETS], BUDGETS)
            axes.minorticks_off()
            axes.set_xlabel("evaluations of the model")
            axes.grid(alpha=0.3)
        seen.legend(fontsize=8)
        save(figure, file)


def _cell(row: dict[str, Any] | None, what: str) -> str:
    if row is None or row[what] is None:
        return "-"
    return f"{row[what]:.2f}" if what == "distance" else percent(row[what])


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
