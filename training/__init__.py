"""The lab: data, networks, the loop that trains them, and what measures them."""

from models.torchvision_guard import guard_torchvision

guard_torchvision()  # before anything here imports diffusers or transformers (ADR 0003)
