"""Every sampler, by name. To add one: one file here and one line in the table (docs/add-a-sampler.md)."""

from schedulers.samplers.adaptive import dpm_adaptive, rk45
from schedulers.samplers.ancestral import dpm_2_a, dpmpp_2s_a
from schedulers.samplers.churn import churn, restart
from schedulers.samplers.ddim import ddim
from schedulers.samplers.ddpm import ddpm
from schedulers.samplers.deis import deis_2, deis_3
from schedulers.samplers.dpm_2 import dpm_2
from schedulers.samplers.dpmpp_2m import dpmpp_2m
from schedulers.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from schedulers.samplers.dpmpp_2s import dpmpp_2s
from schedulers.samplers.dpmpp_3m import dpmpp_3m, dpmpp_3m_sde
from schedulers.samplers.er_sde import er_sde
from schedulers.samplers.euler import euler
from schedulers.samplers.euler_a import euler_a
from schedulers.samplers.heun import heun
from schedulers.samplers.ipndm import ipndm, ipndm_v, pndm
from schedulers.samplers.lcm import lcm, tcd
from schedulers.samplers.lms import lms
from schedulers.samplers.res import dpmpp_2m_sde_heun, res_2m, res_2s, res_3m
from schedulers.samplers.sa_solver import sa_solver
from schedulers.samplers.sampler import Sampler
from schedulers.samplers.score_sde import euler_maruyama, predictor_corrector, reverse_diffusion
from schedulers.samplers.seeds import dpmpp_sde, seeds_2, seeds_3
from schedulers.samplers.unipc import unipc_2, unipc_3

__all__ = ["SAMPLERS", "Sampler"]

_ALL = (
    Sampler("dpmpp-2m", "DPM++ 2M", "Second order at one evaluation a step. The usual choice.", dpmpp_2m, 2),
    Sampler("dpmpp-2m-sde", "DPM++ 2M SDE", "DPM++ 2M with fresh noise each step; more texture.",
            dpmpp_2m_sde, 2, stochastic=True, path=True, eta=1.0),
    Sampler("euler", "Euler", "The plainest: straight steps, the same picture at any step count.", euler, 1),
    Sampler("euler-a", "Euler ancestral", "Euler with fresh noise each step; keeps changing with the steps.",
            euler_a, 1, stochastic=True, path=True, eta=1.0),
    Sampler("heun", "Heun", "Second order at two evaluations a step; slow and exact.", heun, 2,
            evaluations=2),
    Sampler("unipc-2", "UniPC 2", "Corrects each step with what the next one sees; good at few steps.",
            unipc_2, 3),
    Sampler("unipc-3", "UniPC 3", "UniPC with a longer memory; the most exact at one evaluation a step.",
            unipc_3, 3),
    Sampler("dpmpp-3m", "DPM++ 3M", "As commonly coded: a longer memory than 2M, of the same order.",
            dpmpp_3m, 2),
    Sampler("dpmpp-2s", "DPM++ 2S", "Second order at two evaluations a step, without memory.", dpmpp_2s, 2,
            evaluations=2),
    Sampler("dpm-2", "DPM-Solver-2", "The midpoint rule on the noise; two evaluations a step.", dpm_2, 2,
            evaluations=2),
    Sampler("lms", "LMS", "Linear multistep: the oldest of those with a memory.", lms, 2),
    Sampler("deis-2", "DEIS 2", "Exponential integrator on the noise, two estimates.", deis_2, 2),
    Sampler("deis-3", "DEIS 3", "Exponential integrator on the noise, three estimates.", deis_3, 2),
    Sampler("ipndm", "iPNDM", "Four estimates with fixed weights; often the best at ten steps.", ipndm, 2),
    Sampler("ipndm-v", "iPNDM (variable)", "iPNDM with the weights its grid asks for.", ipndm_v, 2),
    Sampler("pndm", "PNDM", "Stable Diffusion's first default (PLMS).", pndm, 2),
    Sampler("res-2m", "RES 2M", "DPM++ 2M with its exact weights.", res_2m, 2),
    Sampler("res-3m", "RES 3M (DPM++ 3M corrected)", "Third order indeed; worth it from 20 steps on.",
            res_3m, 3),
    Sampler("res-2s", "RES 2S", "Two stages a step, both used.", res_2s, 2, evaluations=2),
    Sampler("dpm-adaptive", "DPM adaptive", "Steps as long as the picture allows; more are stricter.",
            dpm_adaptive, None, evaluations=3, alone=True),
    Sampler("rk45", "RK45", "A general adaptive solver, for comparison; exact and slow.", rk45, None,
            evaluations=6, alone=True),
    Sampler("ddim", "DDIM", "Deterministic at eta 0 (then it is Euler); eta 1 is DDPM.",
            ddim, 1, path=True, eta=0.0),
    Sampler("ddpm", "DDPM", "The original ancestral sampler; wants many steps.", ddpm, 1,
            stochastic=True, path=True),
    Sampler("dpm-2-a", "DPM-Solver-2 ancestral", "DPM-Solver-2 with fresh noise each step.", dpm_2_a, 2,
            evaluations=2, stochastic=True, path=True, eta=1.0),
    Sampler("dpmpp-2s-a", "DPM++ 2S ancestral", "DPM++ 2S with fresh noise each step.", dpmpp_2s_a, 2,
            evaluations=2, stochastic=True, path=True, eta=1.0),
    Sampler("dpmpp-sde", "DPM++ SDE", "Two stages of the reverse SDE; rich texture, slow.", dpmpp_sde, 2,
            evaluations=2, stochastic=True, eta=1.0),
    Sampler("dpmpp-2m-sde-heun", "DPM++ 2M SDE (Heun)", "DPM++ 2M SDE with its exact weights.",
            dpmpp_2m_sde_heun, 2, stochastic=True, path=True, eta=1.0),
    Sampler("dpmpp-3m-sde", "DPM++ 3M SDE", "DPM++ 3M with fresh noise each step; wants 30 steps.",
            dpmpp_3m_sde, 2, stochastic=True, path=True, eta=1.0),
    Sampler("seeds-2", "SEEDS 2", "Two exact stages of the reverse SDE a step.", seeds_2, 2, evaluations=2,
            stochastic=True, eta=1.0),
    Sampler("seeds-3", "SEEDS 3", "Three exact stages of the reverse SDE a step.", seeds_3, 2, evaluations=3,
            stochastic=True, eta=1.0),
    Sampler("sa-solver", "SA-Solver", "Adams' predictor and corrector with fresh noise.", sa_solver, 2,
            stochastic=True, path=True, eta=1.0),
    Sampler("er-sde", "ER-SDE", "Less noise than the SDE's, with a memory of three.", er_sde, 2,
            stochastic=True, path=True),
    Sampler("churn", "EDM churn", "Heun with a little noise added before each step.", churn, 2,
            evaluations=2, stochastic=True, eta=1.0),
    Sampler("restart", "Restart", "Heun, with part of the way gone again from fresh noise.", restart, 2,
            evaluations=2, stochastic=True),
    Sampler("euler-maruyama", "Euler-Maruyama", "The textbook's steps on the reverse SDE; wants many.",
            euler_maruyama, 1, stochastic=True, path=True),
    Sampler("reverse-diffusion", "Reverse diffusion", "The forward steps turned round; wants many.",
            reverse_diffusion, 1, stochastic=True, path=True),
    Sampler("predictor-corrector", "Predictor-corrector", "Reverse diffusion with Langevin steps.",
            predictor_corrector, None, evaluations=2, stochastic=True),
    Sampler("lcm", "LCM", "For models distilled to draw in a few steps.", lcm, None, stochastic=True),
    Sampler("tcd", "TCD", "For models distilled to draw in a few steps; eta is its gamma.", tcd, None,
            stochastic=True, eta=0.3),
)  # fmt: skip
SAMPLERS: dict[str, Sampler] = {s.name: s for s in _ALL}
