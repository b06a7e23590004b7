"""What `minitx inspect` leaves on disk: findings as JSON, figures, and the numbers behind them."""

from pathlib import Path
from typing import Any

from minitx import files, plots
from minitx.tables import columns_to_csv


def save(found: dict[str, Any], title: str, folder: Path, figures: Path) -> Path:
    """Write a report of `report.inspect`; return the path of its figure.

    findings.json goes into `folder`; dashboard.png and its tables go into `figures`.
    """
    path = figures / "dashboard.png"
    plots.save(plots.dashboard(found, title), path)
    for name in ("layers", "untrained", "last_state", "scale", "displacement", "calibration"):
        if found[name]:
            path_of_table = figures / f"dashboard-{name.replace('_', '-')}.csv"
            files.write(path_of_table, columns_to_csv(found[name]))
    files.write_json(folder / "findings.json", found["findings"])
    return path


def save_comparison(
    layers: dict[str, dict[str, list]], columns: dict[str, list], folder: Path
) -> Path:
    """Write the figure of several models' layers, and the columns of `report.side_by_side`."""
    path = folder / "comparison.png"
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    plots.save(plots.comparison(layers), path, rows=rows)
    return path
