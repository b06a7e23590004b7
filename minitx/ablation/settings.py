"""The settings of cells: which values a switch takes, and how to write them."""

from typing import Any

Settings = dict[str, Any]  # the value of every switch in one cell


def show(value) -> str:
    """Return a value as it is written on the command line.

    >>> show(True), show(None), show(0.001), show("none")
    ('true', 'none', '0.001', 'none')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def name_of(settings: Settings) -> str:
    """Return the settings in one line.

    >>> name_of({"norm": "none", "tied": True})
    'norm=none tied=true'
    """
    return " ".join(f"{name}={show(value)}" for name, value in settings.items())


def identity(value):
    """Return what tells 1, 1.0 and True apart, which are equal in Python."""
    return type(value), value


def levels(cells: list[Settings]) -> dict[str, list]:
    """Return every switch with the values that it takes, in order of appearance."""
    return {name: list({identity(c[name]): c[name] for c in cells}.values()) for name in cells[0]}


def having(cells: list[Settings], switch: str, value) -> list[int]:
    """Return the cells in which a switch has this value."""
    return [m for m, cell in enumerate(cells) if identity(cell[switch]) == identity(value)]


def name_all(cells: list[Settings], rows: list[int]) -> str:
    """Name some of the cells, together where they are all cells with one value of a switch.

    >>> cells = [{"tied": tied, "depth": n} for tied in (True, False) for n in (1, 2)]
    >>> name_all(cells, [2, 3]), name_all(cells, [1])
    ('every cell with tied=false', 'tied=true depth=2')
    """
    left = set(rows)
    names = []
    for switch, values in levels(cells).items():
        for value in values:
            group = set(having(cells, switch, value))
            if 1 < len(group) < len(cells) and group <= set(rows) and group & left:
                names.append(f"every cell with {switch}={show(value)}")
                left -= group
    return "; ".join([*names, *(name_of(cells[m]) for m in sorted(left))])
