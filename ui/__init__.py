"""The page: one file per tab, a theme, a form made from the Recipe's declarations. It knows no tensors."""

from ui.page import build, launch_options

__all__ = ["build", "launch_options"]
