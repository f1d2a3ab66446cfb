"""What the ramps over sigma share: where they begin and end on a model's table."""

from collections.abc import Callable

from schedulers.level import CLEAN, Level, Table, on_path


def ramp(table: Table, steps: int, curve: Callable[[float, float, float], float]) -> list[Level]:
    """Levels at ``curve(high, low, u)``, u from 0 to 1 in ``steps`` points, then the clean one.

    ``high`` and ``low`` are the table's largest and smallest finite VE sigma. The first level is the table's
    own last one, also when that is pure noise (zero terminal SNR), where VE sigma is infinite.
    """
    low, high = table.ends
    inner = [curve(high, low, i / (steps - 1)) for i in range(1, steps)]
    return [table.levels[-1], *(on_path(table.path, s) for s in inner), CLEAN]
