"""Write datasets/example/ again: same seed, same bytes. Run from anywhere: python scripts/make_example.py [FOLDER]."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sna import write_forum
from sna.simulate import Campaign, Simulation, make_forum

SEED = 2718
DESIGN: dict[str, Any] = {
    "n_people": 320,
    "n_threads": 1500,
    "n_weeks": 78,
    "n_spaces": 7,
    "n_roles": 6,
    "n_departments": 5,
    "n_sites": 4,
    "start": datetime(2023, 7, 3, tzinfo=UTC),
    "joiner_share": 0.15,
    "leaver_share": 0.1,
    "role_change_share": 0.08,
    "silent_share": 0.2,
    "level_activity": 0.1,
    "presence_spread": 0.5,
    "champion_share": 0.04,
    "champion_factor": 6.0,
    "loud_share": 0.02,
    "role_preference": 1.0,
    "role_preference_later": 0.1,
    # July 2024: neither the middle of the 78 weeks nor the start of a campaign, so that nobody finds it by accident.
    "changes_at": 0.66,
    "pair_preference": {("Sales", "Research"): -1.5, ("Research", "Sales"): -1.5},
    "level_gap": -0.1,
    "upward": -0.2,
    "replies_per_thread": 4.0,
    "novelty_floor": 0.5,
    "novelty_weeks": 8.0,
    "campaigns": (
        Campaign("Idea contest", "pull", start_week=5, n_weeks=4, lift=1.8, fade_weeks=3),
        Campaign("Old mailing lists closed", "push", start_week=20, n_weeks=2, lift=2.5, fade_weeks=0.5),
        Campaign("Weekly highlights", "newsletter", start_week=30, n_weeks=48, lift=1.15, fade_weeks=1),
        Campaign("Chat with the leaders", "leader", start_week=39, n_weeks=3, lift=1.7, fade_weeks=8),
    ),
    "adoption": 0.35,
    "retention": 0.92,
    "comeback": 0.08,
    "catalysis": 0.8,
    "n_bots": 2,
    "censored_weeks": 3 / 7,
    "missing_role_share": 0.02,
    "deleted_share": 0.005,
    "opt_out_share": 1 / 320,
}


def make_example() -> Simulation:
    """The example forum and its truth."""
    return make_forum(**DESIGN, rng=SEED)


def write_truth(simulation: Simulation, folder: Path) -> None:
    """What is planted, as JSON; numbers to four digits, so that processors agree."""
    truth = simulation.truth
    design = {**asdict(truth.design), "start": truth.design.start.isoformat()}
    design["pair_preference"] = [[*pair, odds] for pair, odds in truth.design.pair_preference.items()]
    people = truth.people.sort("person_id")
    facts = {
        "seed": SEED,
        "champions": list(truth.champions),
        "loud": people.filter("is_loud")["person_id"].to_list(),
        "role_preference": list(truth.role_preference),
        "changed_at": truth.changed_at.isoformat(),
        "pair_preference": design["pair_preference"],
        "level_gap": truth.design.level_gap,
        "upward": truth.design.upward,
        "catalysis": truth.design.catalysis,
        "theta": {person: round(theta, 4) for person, theta in people.select("person_id", "theta").iter_rows()},
        "design": design,
    }
    (folder / "truth.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Write the tables and the truth."""
    simulation = make_example()
    write_forum(simulation.forum, folder)
    write_truth(simulation, folder)
    print(f"{simulation.forum}\nWritten to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "datasets" / "example")
