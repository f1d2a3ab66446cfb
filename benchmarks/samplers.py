# ruff: noqa: E501  (prose)
"""``python -m benchmarks.samplers``: measure every sampler where the exact answer is known; write docs/samplers.md.

Deterministic samplers: the root mean square distance to the exact solution of the probability-flow ODE on a
mixture of two Gaussians, which no linear rule gets right by luck. Stochastic ones: how far the variance of
what they make is from the data's, on a Gaussian, found without drawing. Both against evaluations, which is
what a sampler costs. No network takes part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.bundled import Measured
from benchmarks.plots import pyplot, save
from schedulers import GUIDANCE, SAMPLERS, Level, Sampler, Strength, evaluations, solve
from schedulers.ask import Ask
from schedulers.level import on_path
from tests.schedulers.exact import PAIR, Mixture, karras, silence
from tests.schedulers.test_variance import variance_error

BUDGETS = (6, 10, 20, 40)  # evaluations
HIGH, LOW = 14.6, 0.03  # VE sigmas, about Stable Diffusion's
OUT = Path("docs")
PROMPT, WORDLESS = Mixture((1.0,), (0.0,), (0.3,)), Mixture((1.0,), (0.0,), (1.0,))  # of guidance's figures
WEAKER = Mixture((1.0,), (0.0,), (0.45,))  # what a perturbed or a weak network makes of the prompt


@dataclass(frozen=True)
class Row:
    """A sampler and its error within each of ``BUDGETS``; None where a step costs more than that."""

    sampler: Sampler
    errors: tuple[float | None, ...]


def levels(steps: int) -> list[Level]:
    """Karras's levels on the VP path, down to no noise."""
    inner = [on_path("vp", karras(HIGH, LOW, i / max(steps - 1, 1))) for i in range(steps)]
    return [*inner, Level(1.0, 0.0)]


def steps_within(sampler: Sampler, budget: int) -> int | None:
    """The most steps that cost at most ``budget`` evaluations."""
    counts = [n for n in range(1, budget + 1) if evaluations(sampler, levels(n)) <= budget]
    return max(counts, default=None)


def distance(sampler: Sampler, steps: int) -> float:
    """Root mean square error over the quantiles 1/400, 3/400 ... of the start."""
    path, x = levels(steps), start()
    return rms(solve(sampler, PAIR.denoise, x, path, silence) - PAIR.carry(x, path[0], path[-1]))


def start() -> torch.Tensor:
    """The quantiles of the first noise: (1, 1, 1, 200)."""
    share = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    return torch.special.ndtri(share).reshape(1, 1, 1, -1) * levels(2)[0].sigma


def rms(off: torch.Tensor) -> float:
    return off.square().mean().sqrt().item()


def measure(sampler: Sampler) -> Row:
    errors: list[float | None] = []
    for budget in BUDGETS:
        steps = steps_within(sampler, budget)
        if steps is None or (sampler.stochastic and sampler.order is None) or sampler.alone:
            errors.append(None)
        elif sampler.stochastic:
            errors.append(abs(variance_error(sampler.name, levels(steps)[:-1])))
        else:
            errors.append(distance(sampler, steps))
    return Row(sampler, tuple(errors))


def adaptive(steps: int) -> list[tuple[str, int, float]]:
    """(label, evaluations, error) of the samplers that choose their own steps, for one image of 200 numbers."""
    found = []
    for sampler in (sampler for sampler in SAMPLERS.values() if sampler.alone):
        asked = 0

        def network(x: torch.Tensor, level: Level) -> torch.Tensor:
            nonlocal asked
            asked += 1
            return PAIR.denoise(x, level)

        x, path = start(), levels(steps)
        made = solve(sampler, network, x, path, silence)
        found.append((sampler.label, asked, rms(made - PAIR.carry(x, path[0], path[-1]))))
    return found


@dataclass(frozen=True)
class Guided:
    """What a rule leaves of the prompt's own spread."""

    label: str
    share: float


def contraction(rule: str, strength: Strength, steps: int = 200) -> float:
    """The deviation of what is drawn under a rule, in units of the prompt's own.

    The prompt's distribution is N(0, 0.3^2), the one without words N(0, 1), each number of an image on its own;
    Heun. Neither mean moves, so a smaller deviation is lost variety and nothing else.
    """
    path = [on_path("vp", HIGH * (LOW / HIGH) ** (i / steps)) for i in range(steps + 1)]
    share = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
    order = torch.randperm(4096, generator=torch.Generator().manual_seed(0))
    x = torch.special.ndtri(share)[order].reshape(1, 4, 32, 32)
    guide = GUIDANCE[rule].begin(strength, path)
    answers = {"conditional": PROMPT, "unconditional": WORDLESS, "empty": WORDLESS}

    def network(x: torch.Tensor, level: Level) -> torch.Tensor:
        guiding = guide(Ask(x, level))
        made = None
        while True:
            try:
                wanted = guiding.send(made)  # type: ignore[arg-type]  # a generator is started by sending None
            except StopIteration as done:
                return done.value
            data = (answers[e.branch.text] if e.branch.network == "whole" else WEAKER for e in wanted)
            made = tuple(one.denoise(x, e.level) for one, e in zip(data, wanted, strict=True))

    drawn = solve("heun", network, x, path, silence) / path[-1].alpha
    own = math.hypot(PROMPT.deviations[0], LOW)
    return drawn.std().item() / own


def guidance() -> list[Guided]:
    """Every rule at guidance 5, and plain guidance within an interval and rescaled."""
    plain = Strength(5.0, perturbation=3.0)
    rows = [
        Guided(rule.label, contraction(name, plain))
        for name, rule in GUIDANCE.items()
        if name not in ("cfg-pp", "autoguidance")
    ]
    limited, rescaled = Strength(5.0, low=0.2, high=2.0), Strength(5.0, rescale=0.7)
    return [
        *rows,
        Guided("Classifier-free, sigma 0.2 to 2 only", contraction("cfg", limited)),
        Guided("Classifier-free, rescale 0.7", contraction("cfg", rescaled)),
        Guided(
            "PAG or SEG at guidance 1, perturbation 3", contraction("pag", Strength(1.0, perturbation=3.0))
        ),
        Guided("Autoguidance at 2", contraction("autoguidance", Strength(2.0))),
        Guided("CFG++, 20 steps (it grows with their number)", contraction("cfg-pp", plain, 20)),
    ]


def table(rows: Sequence[Row], what: str) -> list[str]:
    head = [
        f"| sampler | name | order | evaluations a step | {' | '.join(f'{what} at {b}' for b in BUDGETS)} |"
    ]
    head.append("|" + "---|" * (4 + len(BUDGETS)))
    return head + [
        f"| {row.sampler.label} | `{row.sampler.name}` | {row.sampler.order or '-'} | {row.sampler.evaluations} | "
        + " | ".join("-" if e is None else f"{e:.2g}" for e in row.errors) + " |"
        for row in rows
    ]  # fmt: skip


def best(rows: Sequence[Row], budget: int, count: int = 3) -> str:
    k = BUDGETS.index(budget)
    ranked = sorted((row for row in rows if row.errors[k] is not None), key=lambda row: row.errors[k] or 0)
    return ", ".join(f"{row.sampler.label} ({row.errors[k]:.2g})" for row in ranked[:count])


def plot(rows: Sequence[Row], file: Path) -> None:
    """Error against evaluations, for those that are among the three best somewhere, Euler and Heun."""
    shown = {"euler", "heun"}
    for k in range(len(BUDGETS)):
        ranked = sorted(
            (row for row in rows if row.errors[k] is not None), key=lambda row: row.errors[k] or 0
        )
        shown |= {row.sampler.name for row in ranked[:3]}
    figure, axes = pyplot().subplots(figsize=(7, 4.5))
    for row in rows:
        if row.sampler.name in shown:
            axes.loglog(BUDGETS, [e or float("nan") for e in row.errors], marker="o", label=row.sampler.label)
    axes.set_xticks(BUDGETS, [str(b) for b in BUDGETS])
    axes.minorticks_off()
    axes.set_xlabel("evaluations of the model")
    axes.set_ylabel("RMS distance to the exact solution")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save(figure, file)


def third_order_plot(file: Path) -> None:
    """The error of DPM++ 3M and of its correction, RES 3M, with many steps and lines of order 2 and 3."""
    counts = (16, 32, 64, 128, 256, 512)
    figure, axes = pyplot().subplots(figsize=(7, 4.5))
    for name, order in (("dpmpp-3m", 2), ("res-3m", 3)):
        errors = [distance(SAMPLERS[name], n) for n in counts]
        [line] = axes.loglog(counts, errors, marker="o", label=SAMPLERS[name].label)
        guide = [errors[-1] * (counts[-1] / n) ** order for n in counts]
        axes.loglog(counts, guide, "--", color=line.get_color(), alpha=0.5, label=f"order {order}")
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.minorticks_off()
    axes.set_xlabel("steps")
    axes.set_ylabel("RMS distance to the exact solution")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save(figure, file)


def tilted() -> float:
    """The deviation of p_c^5 p_u^-4 in units of the prompt's."""
    s_c, s_u = PROMPT.deviations[0], WORDLESS.deviations[0]
    return (5 / s_c**2 - 4 / s_u**2) ** -0.5 / s_c


def write(out: Path = OUT) -> None:
    """Write ``samplers.md`` and ``images/samplers.svg`` into ``out``."""
    rows = [measure(sampler) for sampler in SAMPLERS.values()]
    steady = [row for row in rows if not row.sampler.stochastic]
    noisy = [row for row in rows if row.sampler.stochastic]
    measured = [row for row in noisy if row.sampler.order is not None]
    plot(steady, out / "images" / "samplers.svg")
    third_order_plot(out / "images" / "third-order.svg")
    bundled = Measured()
    bundled.plot(out / "images" / "samplers-starter.svg")
    lines = [
        "# Samplers", "",
        "Made by `python -m benchmarks.samplers`; what stands under each name is in",
        "[decision 0008](decisions/0008-samplers.md).", "",
        *bundled.section(),
        "## Where the answer is known", "",
        "From here on no network takes part: the data are distributions whose exact answer is known, so these figures",
        "rank the solvers, not the pictures.", "",
        "An *evaluation* is one answer of the model, which is where the time goes. *Order*: with twice the steps the",
        "error falls by two to that power, at many steps.", "",
        "### The same picture at any step count", "",
        "Root mean square distance to the exact solution of the probability-flow ODE on a mixture of two Gaussians",
        f"(means {PAIR.means}, deviations {PAIR.deviations}), sigma {HIGH} to {LOW} on Karras's spacing and then to none.", "",
        *table(steady, "error"), "",
        "![Error against evaluations](images/samplers.svg)", "",
        f"- Nearest at 6 evaluations: {best(steady, 6)}.",
        f"- Nearest at 10 evaluations: {best(steady, 10)}.",
        f"- Nearest at 20 evaluations: {best(steady, 20)}.",
        f"- Nearest at 40 evaluations: {best(steady, 40)}.", "",
        "The adaptive ones ask as often as a picture needs. To the accuracy of 20 steps they ask here",
        f"{', '.join(f'{label} {asked} times (error {error:.2g})' for label, asked, error in adaptive(20))}.", "",
        "### Third order", "",
        "DPM++ 3M as it is in use has half of the quadratic term that its derivation (arXiv:2211.01095, appendix B) gives,",
        "and is of order 2; RES 3M is the corrected rule, of order 3. The slopes, at many steps:", "",
        "![DPM++ 3M and its correction](images/third-order.svg)", "",
        "### With fresh noise in each step", "",
        "How far the variance of what they make is from the data's (a Gaussian of deviation 0.5), relative, on the same",
        "spacing but for its last step.", "",
        *table(noisy, "error"), "",
        f"- Nearest at 10 evaluations: {best(measured, 10)}.",
        f"- Nearest at 20 evaluations: {best(measured, 20)}.", "",
        "### Guidance", "",
        "The deviation of what is drawn at guidance 5, in units of the prompt's own: 1 keeps its variety. Prompt N(0, 0.3²),",
        "without words N(0, 1), equal means, so guidance has nothing to move and can only contract. Heun, 200 steps. The density that guidance",
        f"is said to draw from, p_c^5 p_u^-4, has {tilted():.2g}.", "",
        "| rule | deviation left |", "|---|---|",
        *(f"| {row.label} | {row.share:.2g} |" for row in guidance()), "",
        "A perturbed or weak network is taken to draw the prompt half as wide again (0.45); the perturbation is 3.",
        "APG and CFG-Zero* take away what lies along the estimates themselves, which here is all that guidance adds.", "",
        "## Notes", "",
        "Predictor-corrector is not linear and so not measured this way. LCM and TCD are for models distilled for them: with",
        "an ordinary one they lose variance however many steps there are.", "",
    ]  # fmt: skip
    (out / "samplers.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write()
