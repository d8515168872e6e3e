"""Draw the pictures of the README from the bundled synthetic forum into docs/report/."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

import sna

TARGET = Path(__file__).parents[1] / "docs" / "report"


def draw(name: str, picture: Callable[[plt.Axes], object], *, width: float, height: float) -> None:
    """One PNG."""
    figure, ax = plt.subplots(figsize=(width, height), layout="constrained")
    picture(ax)
    figure.savefig(TARGET / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    forum = sna.load_example()
    bright = sna.find_champions(forum).filter("selected").head(12)
    matrix = sna.mixing_matrix(forum, draws=499, rng=1)
    known = matrix.filter(matrix["p_value"].is_not_null())
    weeks = sna.weekly_momentum(forum)
    draw("champions", lambda ax: sna.plot_champions(bright, ax=ax), width=6, height=4.2)
    draw("mixing", lambda ax: sna.plot_mixing_matrix(known, ax=ax), width=6, height=4.6)
    draw("momentum", lambda ax: sna.plot_momentum(weeks, ax=ax, campaigns=forum.campaigns), width=7, height=4.2)
