"""How ComfyUI and the studios above it (SwarmUI, Fooocus) call samplers and schedules: ours -> theirs.

ComfyUI's are the functions of k-diffusion (comfy/samplers.py, SAMPLER_NAMES and SCHEDULER_HANDLERS). A name
that stands in neither table has no equal here: its CFG++ samplers count guidance on another scale, and
``ddim_uniform`` rounds its steps otherwise.
"""

from gallery.studios.reading import named

SAMPLERS = {
    "euler": "euler",
    "euler-a": "euler_ancestral",
    "heun": "heun",
    "dpm-2": "dpm_2",
    "dpm-2-a": "dpm_2_ancestral",
    "lms": "lms",
    "dpm-adaptive": "dpm_adaptive",
    "dpmpp-2s-a": "dpmpp_2s_ancestral",
    "dpmpp-sde": "dpmpp_sde",
    "dpmpp-2m": "dpmpp_2m",
    "dpmpp-2m-sde": "dpmpp_2m_sde",
    "dpmpp-2m-sde-heun": "dpmpp_2m_sde_heun",
    "dpmpp-3m-sde": "dpmpp_3m_sde",
    "ddpm": "ddpm",
    "lcm": "lcm",
    "ipndm": "ipndm",
    "ipndm-v": "ipndm_v",
    "deis-3": "deis",
    "res-2m": "res_multistep",
    "er-sde": "er_sde",
    "seeds-2": "seeds_2",
    "seeds-3": "seeds_3",
    "sa-solver": "sa_solver",
    "ddim": "ddim",
    "unipc-3": "uni_pc_bh2",
}
# The noise of these is made on the graphics card; UniPC's other constant is told apart by nobody else either.
SAMPLER_ALIASES = {
    "dpmpp_sde_gpu": "dpmpp-sde",
    "dpmpp_2m_sde_gpu": "dpmpp-2m-sde",
    "dpmpp_2m_sde_heun_gpu": "dpmpp-2m-sde-heun",
    "dpmpp_3m_sde_gpu": "dpmpp-3m-sde",
    "uni_pc": "unipc-3",
}
SCHEDULES = {
    "model": "normal",
    "karras": "karras",
    "exponential": "exponential",
    "sgm-uniform": "sgm_uniform",
    "simple": "simple",
    "beta": "beta",
    "linear-quadratic": "linear_quadratic",
    "kl-optimal": "kl_optimal",
}
sampler = named(SAMPLERS, SAMPLER_ALIASES)
schedule = named(SCHEDULES)
