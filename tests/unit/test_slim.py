"""What becomes of an environment when only the demo is to run in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.slim import slim

SLIM = Path(__file__).parents[2] / "tools" / "slim.py"

FILES = {
    "numpy": ["numpy/__init__.py", "numpy/_core/tests/test_one.py", "numpy/_core/tests/deep/x.npy"],
    "botocore": [
        "botocore/data/ec2/2016/service-2.json.gz",
        "botocore/data/s3/2006/service-2.json",
    ],
    "pyarrow": [
        "pyarrow/lib.so",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/libarrow_python.so.26",
    ],
    "smaller": ["smaller/tests/test_two.py", "smaller/__init__.py"],
}
KEPT = {
    "numpy/__init__.py",
    "botocore/data/s3/2006/service-2.json",
    "pyarrow/lib.so",
    "pyarrow/libarrow_python.so.26",
    "smaller/tests/test_two.py",
    "smaller/__init__.py",
    # In a folder that goes, but nobody's by the record.
    "botocore/data/ec2/mine.txt",
}


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    for name, files in FILES.items():
        record = f"{name}-1.2.dist-info"
        for file in [*files, f"{record}/METADATA", f"{record}/RECORD"]:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        (tmp_path / record / "METADATA").write_text(f"Name: {name}\nVersion: 1.2\n")
        (tmp_path / record / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    (tmp_path / "botocore/data/ec2/mine.txt").touch()
    return tmp_path


def test_only_what_is_known_to_be_unused_goes_and_folders_with_it(site_packages: Path) -> None:
    assert slim(site_packages) == ["botocore==1.2", "numpy==1.2", "pyarrow==1.2"]
    left = {str(p.relative_to(site_packages)) for p in site_packages.rglob("*") if p.is_file()}
    assert {file for file in left if ".dist-info" not in file} == KEPT
    assert not (site_packages / "numpy/_core").exists()
    assert slim(site_packages) == []


def test_an_environment_of_the_system_is_left_alone() -> None:
    done = subprocess.run(
        [sys._base_executable, str(SLIM)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "is no virtual environment" in done.stderr
