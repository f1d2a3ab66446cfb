"""What a failed job says: one sentence of what went wrong, one of what to do. Never a trace or a prompt."""

import errno

import torch

from engine.batch import NotFinite
from engine.events import Failed


def drawing_failed(error: Exception, step: int | None = None, of: int | None = None) -> Failed:
    """Drawing raised ``error``, after ``step`` of ``of`` steps where that is known."""
    match error:
        case NotFinite():
            where = f" after step {step} of {of}" if step is not None else ""
            what = f"The model's answer was not a number{where}, so there is no picture."
            return Failed(what, "Lower the guidance or choose another sampler.")
        case torch.OutOfMemoryError():
            return Failed(
                "There is not enough memory for this picture.", "Choose a smaller size and try again."
            )
        case ValueError():  # its message was written for the user
            return Failed(str(error), "Change it and try again.")
    return Failed(f"Drawing stopped with an internal error ({type(error).__name__}).", "Please try again.")


def loading_failed(model: str, error: Exception) -> Failed:
    """Loading ``model`` raised ``error``."""
    if isinstance(error, ValueError):
        return Failed(str(error), "Choose another model.")
    return Failed(f"Model {model!r} cannot be loaded ({type(error).__name__}).", "Choose another model.")


def working_failed(error: Exception) -> Failed:
    """Work in the background raised ``error``."""
    match error:
        case FloatingPointError():
            what = "The numbers grew beyond all bounds, and the work was stopped."
            return Failed(
                what, "The last good checkpoint is kept. Try a lower learning rate or another seed."
            )
        case torch.OutOfMemoryError() | MemoryError():
            return Failed("There is not enough memory for this.", "Choose a smaller model or batch.")
        case OSError(errno=errno.ENOSPC):
            return Failed("The disk is full.", "Make room and go on with it: the last checkpoint is kept.")
        case OSError():  # without a number it is one of ours, and its message was written for the user
            reason = str(error) if error.errno is None else f"A file could not be used: {error.strerror}."
            return Failed(reason, "Mend that and try again.")
        case ValueError():  # its message was written for the user
            return Failed(str(error), "Change it and try again.")
    return Failed(f"The work stopped with an internal error ({type(error).__name__}).", "Please try again.")


def saving_failed(error: Exception) -> Failed:
    """Keeping a finished picture raised ``error``; a full disk, most often."""
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Failed(f"The picture could not be saved: {reason}.", "Make room on the disk and try again.")
    return Failed(f"The picture could not be saved ({type(error).__name__}).", "Please try again.")
