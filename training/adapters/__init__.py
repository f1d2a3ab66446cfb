"""The studio's own adapters, trained on the starter: style LoRAs and ControlNets, and what they are worth."""
