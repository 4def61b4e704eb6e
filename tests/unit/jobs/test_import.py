from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from tests.flow.pictures import jpeg, write_all

HEAVY = {"aiobotocore", "numpy", "onnxruntime", "PIL", "pyarrow", "pydantic", "ray", "rich.table"}


def test_help_needs_no_heavy_library():
    code = "import sys, jobs.cli; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(said.stdout.split())


def test_storage_on_disk_needs_no_object_store():
    code = "import sys, pipeline.storage; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aiobotocore.session" not in said.stdout.split()


def test_the_default_recipe_makes_pictures_without_a_compiler(tmp_path):
    """Cut out, drawn and composed as `studio` does, where none of the extra can be imported."""
    write_all(tmp_path, {"a.jpg": jpeg()})
    pq.write_table(
        pa.table({"id": ["a"], "image_uri": ["a.jpg"], "prompt": ["oak table, soft light"]}),
        tmp_path / "manifest.parquet",
    )
    code = """
import sys
sys.modules.update(dict.fromkeys(("numba", "llvmlite", "pymatting")))
from benchmarks.whole_flow import Plain, planned
from jobs.recipes import load_recipe
from pipeline.runs.run_config import RunConfig
output = sys.argv[1] + "/out"
recipe = load_recipe("studio")
manifest = sys.argv[1] + "/manifest.parquet"
listed, rows = planned(RunConfig(recipe=recipe, manifest=manifest, output=output), output)
print(Plain(listed).take(rows)["done"])
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["1"], said.stderr
