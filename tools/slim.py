"""Keep of an environment what `make demo` loads: 730 MB instead of more than a gigabyte.

    python tools/slim.py            # the environment whose Python this is
    python tools/slim.py --undo     # make it whole again

Taken out are the test suites of other packages, Ray's Java and the AWS services that Backlot does
not speak to; compiled is only what runs. Which distributions are no longer whole is written to
`slimmed.txt` in the environment's folder, as requirements.
"""

from __future__ import annotations

import compileall
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

_TESTS = r"(.*/)?tests/"
_SOURCES = r".*\.(c|cc|cpp|f|h|hpp|pxd|pxi|pyi|pyx)$"

_CODECS = (  # of imagecodecs: what pictures are read by, and what TIFFs are packed with
    "avif|ccitt|cms|deflate|imcd|jpeg2k|jpeg8|lzma|png|shared|shared_cython|tiff|webp|zlib|zstd"
)
_CODEC_LIBRARIES = (
    "Lerc|aom|avif|deflate|jpeg|lcms2|lzma|openjp2|png16|sharpyuv|tiff|webp|webpdemux|zstd"
)

UNUSED: Mapping[str, str] = {
    # Sign-on and temporary credentials are services, too.
    "botocore": r"botocore/data/(?!(s3|sts|sso|sso-oidc|signin)/)[^/]+/",
    "imagecodecs": rf"imagecodecs/_(?!({_CODECS})\.)\w+\.(abi3\.)?so$"
    rf"|imagecodecs\.libs/lib(?!({_CODEC_LIBRARIES})-)|{_SOURCES}",
    "numpy": f"{_TESTS}|{_SOURCES}",
    # What networks are converted with; not what runs them.
    "onnxruntime": r"onnxruntime/(quantization|tools|transformers)/",
    "pandas": f"{_TESTS}|{_SOURCES}",
    # Names for those who link against Arrow, and its network protocol.
    "pyarrow": rf"{_TESTS}|{_SOURCES}|pyarrow/(_flight\.|libarrow_flight\.|libarrow_python_flight\."
    r"|libarrow_python\.so(\.\d+\..*)?$)",
    # The dashboard's web page, too: a run on this machine starts no dashboard.
    "ray": r"ray/(dashboard/client|jars|llm|rllib|serve|tune)/",
    "scipy": f"{_TESTS}|{_SOURCES}",
    # Older Pythons put it into every environment.
    "setuptools": r"(setuptools|pkg_resources|_distutils_hack)/|distutils-precedence\.pth$",
}
"""What of a distribution is not needed, as a pattern that its files' paths begin with."""

SLIMMED = Path(sys.prefix, "slimmed.txt")

LOADED = (
    "import jobs.commands.app, jobs.demo.catalogue, jobs.running.run, pipeline.flow, "
    "pipeline.models.matting.onnxruntime_session"
)
LOADED_LATER = (
    "PIL",
    "aiohttp",
    "onnxruntime/capi",
    "pydantic",
    "ray/_private",
    "ray/autoscaler",
    "ray/dashboard",
    "ray/data",
    "ray/util/state",
)
"""Packages that Ray's own processes and actors load more of."""


def slim(site_packages: Path) -> list[str]:
    """Remove what `UNUSED` names from the distributions there.

    Only files go that a distribution lists as its own.

    Returns:
        The distributions that lost files, as requirements.
    """
    slimmed = []
    for distribution in importlib.metadata.distributions(path=[str(site_packages)]):
        name = distribution.metadata["Name"].lower()
        if name not in UNUSED:
            continue
        unused = [str(f) for f in distribution.files or () if re.match(UNUSED[name], str(f))]
        there = [path for path in (site_packages / file for file in unused) if path.is_file()]
        for path in there:
            path.unlink()
        for folder in sorted({above for path in there for above in path.parents}, reverse=True):
            if folder.is_relative_to(site_packages) and not any(folder.iterdir()):
                folder.rmdir()
        if there:
            slimmed.append(f"{name}=={distribution.version}")
    return sorted(slimmed)


def compile_loaded(site_packages: Path) -> None:
    """Compile what the demo will load, so that its first run is as quick as the next."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", LOADED], check=True, env=environment)
    for folder in LOADED_LATER:
        compileall.compile_dir(site_packages / folder, quiet=2)


def make_whole(requirements: Path, site_packages: Path) -> None:
    """Install again what was slimmed, and compile the rest as pip does."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    again = ["--force-reinstall", "--no-deps", "--requirement", str(requirements)]
    subprocess.run([*pip, *again], check=True)
    compileall.compile_dir(site_packages, quiet=2, workers=0)
    requirements.unlink()


def main() -> None:
    if sys.prefix == sys.base_prefix:
        sys.exit(f"{sys.prefix} is no virtual environment: nothing is taken out of it")
    site_packages = Path(sysconfig.get_path("purelib"))
    if sys.argv[1:] == ["--undo"]:
        if SLIMMED.exists():
            make_whole(SLIMMED, site_packages)
        return
    before = SLIMMED.read_text().splitlines() if SLIMMED.exists() else []
    lines = sorted({*before, *slim(site_packages)})
    SLIMMED.write_text("".join(f"{line}\n" for line in lines))
    compile_loaded(site_packages)


if __name__ == "__main__":
    main()
