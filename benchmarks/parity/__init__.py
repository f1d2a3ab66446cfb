"""How far what is drawn here is from what diffusers draws: every family, adapter and language of prompts.

``python -m benchmarks.parity`` measures each case on tiny models of random weights and writes docs/parity.md.
The tests run them all.
"""
