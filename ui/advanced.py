"""The settings of a drawing that nobody has to touch, laid out for the forms of all tabs that draw."""

import gradio as gr

from ui import show
from ui.form import Form


def place(form: Form) -> None:
    """Make them here."""
    gr.HTML(show.hint("Nothing here has to be touched; the defaults suit the model."))
    with gr.Row(elem_classes="pair"):
        form.make("sampler")
        form.make("schedule")
    form.make("clip_skip")
    form.make("vae")
    form.make("sigmas", placeholder="the schedule's", max_lines=2)
    form.make("seamless")
    form.make("rescale")
    with gr.Row(elem_classes="pair"):
        form.make("guidance_rule")
        form.make("perturbation")
    with gr.Row(elem_classes="pair"):
        form.make("eta", placeholder="the sampler's own")
        form.make("noise")
    with gr.Row(elem_classes="pair"):
        form.make("guidance_low", placeholder="to the end")
        form.make("guidance_high", placeholder="at once")
