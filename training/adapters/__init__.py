"""The studio's own adapters, trained on the starter: style LoRAs and ControlNets, and what they are worth."""

from models.torchvision_guard import guard_torchvision

guard_torchvision()  # before anything here imports diffusers or transformers (ADR 0003)
