"""The embedded U2-Net-p in OpenVINO, beside the same weights in ONNX Runtime."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import ValidationError

from jobs.demo.catalogue import opened
from pipeline.errors import FatalError
from pipeline.models.matting.matting_config import EMBEDDED_SHA256, BirefnetOnnxConfig, U2NetConfig
from pipeline.models.matting.openvino_session import capabilities, require
from pipeline.models.matting.u2net import u2net

FLOAT32 = U2NetConfig(runtime="openvino")
BFLOAT16 = U2NetConfig(runtime="openvino", precision="bfloat16")


@pytest.fixture(scope="module")
def photographs():
    return [np.asarray(opened(name)) for name in ("dahlia", "dahlia-wide")]


@pytest.fixture(scope="module")
def expected(photographs):
    return u2net(U2NetConfig(), num_threads=1).predict(photographs)


def test_in_float32_it_cuts_out_the_same(photographs, expected):
    found = u2net(FLOAT32, num_threads=1).predict(photographs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_in_bfloat16_it_cuts_out_nearly_the_same_or_says_that_it_cannot(photographs, expected):
    if "BF16" not in capabilities():
        with pytest.raises(FatalError, match=r"precision bfloat16.*matte\.network\.precision"):
            u2net(BFLOAT16, num_threads=1)
        return
    found = u2net(BFLOAT16, num_threads=1).predict(photographs)
    for one, other in zip(found, expected, strict=True):
        difference = np.abs(one - other)
        assert 1e-5 < difference.mean() < 0.002  # below, it was not computed in bfloat16
        inside, also_inside = one > 0.5, other > 0.5
        assert (inside & also_inside).sum() / (inside | also_inside).sum() > 0.995


def test_a_cpu_that_would_only_emulate_bfloat16_is_refused():
    with pytest.raises(
        FatalError, match=r"precision bfloat16: this CPU computes in FP32, WINOGRAD"
    ):
        require("bfloat16", ["WINOGRAD", "FP32"])
    require("float32", ["WINOGRAD", "FP32"])
    require("bfloat16", ["FP32", "BF16"])


@pytest.mark.parametrize("num_threads", [1, 2])
def test_it_keeps_to_its_threads(photographs, num_threads):
    if num_threads > len(os.sched_getaffinity(0)):
        pytest.skip("there are not that many cores")
    network = u2net(FLOAT32, num_threads=num_threads)
    before = seconds_of_threads()
    network.predict(photographs[:1])
    worked = {id_: s - before.get(id_, 0) for id_, s in seconds_of_threads().items()}
    assert sum(s > 0.1 * sum(worked.values()) for s in worked.values()) == num_threads


def seconds_of_threads():
    return {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(FatalError, match=r"runtime openvino: .*'backlot\[openvino\]'"):
        u2net(FLOAT32, num_threads=1)


WATCHED = """
import sys
events = []
sys.addaudithook(lambda name, _: events.append(name))
import numpy as np
from pipeline.models.matting.matting_config import U2NetConfig
from pipeline.models.matting.u2net import u2net
del events[:]
network = u2net(U2NetConfig(runtime=sys.argv[1]), num_threads=1)
network.predict([np.zeros((8, 8, 3), np.uint8)])
print(*sorted({name for name in events if name.startswith(("socket.", "subprocess.", "os.fork"))}))
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_reports_to_nobody_and_leaves_no_files(runtime, tmp_path):
    # Left alone, `import openvino` posts to Google Analytics from a forked process, and
    # `import onnxruntime` begins a session for Microsoft, with files in the home and beside others.
    root = Path(__file__).parents[4]
    environment = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, runtime],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == []
    assert list(tmp_path.iterdir()) == []


def test_precision_is_part_of_what_names_a_result():
    assert FLOAT32.revision == U2NetConfig().revision == EMBEDDED_SHA256
    assert BFLOAT16.revision == f"{EMBEDDED_SHA256}/bfloat16"
    assert u2net(FLOAT32, num_threads=1).revision == f"u2netp-{EMBEDDED_SHA256[:12]}"
    if "BF16" in capabilities():
        network = u2net(BFLOAT16, num_threads=1)
        assert network.revision == f"u2netp-{EMBEDDED_SHA256[:12]}-bfloat16"


def test_what_no_runtime_can_do_is_refused_before_anything_loads():
    with pytest.raises(ValidationError, match="precision 'bfloat16' needs runtime 'openvino'"):
        U2NetConfig(precision="bfloat16")
    with pytest.raises(ValidationError, match="runtime 'openvino' needs device 'cpu'"):
        BirefnetOnnxConfig(weights="x.onnx", output="logits", runtime="openvino", device="cuda")
