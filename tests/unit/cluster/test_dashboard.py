from __future__ import annotations

import json
import re
from pathlib import Path

import ray

from pipeline.engine.metrics import METRICS

DASHBOARD = Path(__file__).parents[3] / "cluster" / "dashboards" / "backlot.json"
WORDS = r"\bray_[a-z_]+"


def rays_own() -> set[str]:
    """Metrics that the panels of Ray's own dashboards ask for."""
    folder = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    return {word for file in folder.glob("*.py") for word in re.findall(WORDS, file.read_text())}


def test_every_panel_asks_for_metrics_that_there_are_by_tags_that_they_have():
    tags = {f"ray_{metric.name}": set(metric.tags) for metric in METRICS}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    used = set()
    for panel in panels:
        for target in panel["targets"]:
            names = {name.removesuffix("_bucket") for name in re.findall(WORDS, target["expr"])}
            used |= names
            assert names <= set(tags) | rays_own(), panel["title"]
            for name in names & set(tags):
                asked = set(re.findall(r"(\w+)!?=", target["expr"]))
                asked |= {
                    t
                    for by in re.findall(r"by \(([^)]*)\)", target["expr"])
                    for t in by.split(", ")
                }
                assert asked <= tags[name] | {"SessionName", "le"}, panel["title"]
    assert set(tags) <= used


def test_panels_do_not_overlap():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels}) == len(panels)
