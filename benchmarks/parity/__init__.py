"""How far what is drawn here is from what diffusers draws: every family, adapter and language of prompts.

Each case is measured on tiny models of random weights in float32.
The tests run them all.
"""
