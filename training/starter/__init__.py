"""The starter's own recipe: VAE, tokenizer, text encoder, U-Net, classifier, export, evaluation."""

from models.torchvision_guard import guard_torchvision

guard_torchvision()  # before anything here imports diffusers or transformers (ADR 0003)
