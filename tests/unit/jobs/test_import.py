from __future__ import annotations

import subprocess
import sys

HEAVY = {"aiobotocore", "numpy", "onnxruntime", "PIL", "pyarrow", "pydantic", "ray", "rich.table"}


def test_help_needs_no_heavy_library():
    code = "import sys, jobs.cli; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(said.stdout.split())


def test_storage_on_disk_needs_no_object_store():
    code = "import sys, pipeline.storage; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aiobotocore.session" not in said.stdout.split()
