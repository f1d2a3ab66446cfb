"""What a model that cannot be loaded raises."""


class ModelError(ValueError):
    """A model cannot be loaded. The message says what was asked, what is wrong and what would do."""
