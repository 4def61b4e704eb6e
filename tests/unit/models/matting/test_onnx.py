"""IS-Net and BiRefNet in every runtime, on graphs whose answer can be computed by hand."""

import hashlib
import math

import numpy as np
import pytest
from onnx import TensorProto
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import FatalError
from pipeline.models.matting.load_network import build_network
from pipeline.models.matting.matting_config import (
    AnyNetworkConfig,
    BirefnetOnnxConfig,
    ExistingConfig,
    IsNetConfig,
    U2NetConfig,
)
from tests.unit.models.matting.graphs import write_graph

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
COLOUR = (200, 100, 50)


def plain(height, width, colour=COLOUR):
    return np.zeros((height, width, 3), np.uint8) + np.array(colour, np.uint8)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


@pytest.fixture(params=["onnxruntime", "openvino"])
def runtime(request):
    return request.param


def build(config):
    return build_network(config, num_threads=1)


@pytest.mark.parametrize(("channel", "level"), [(RED, 200), (GREEN, 100), (BLUE, 50)])
def test_isnet_sees_each_channel_centred_on_a_half_and_not_scaled(
    tmp_path, channel, level, runtime
):
    path = write_graph(tmp_path / "isnet.onnx", channel, BLUE, sigmoid=True)
    (alpha,) = build(IsNetConfig(weights=path, runtime=runtime)).predict([plain(33, 51)])
    np.testing.assert_allclose(alpha, sigmoid(level / 255 - 0.5), atol=1e-6)


@pytest.mark.parametrize(
    ("channel", "level", "mean", "std"),
    [(RED, 200, 0.485, 0.229), (GREEN, 100, 0.456, 0.224), (BLUE, 50, 0.406, 0.225)],
)
@pytest.mark.parametrize("output", ["logits", "coverage"])
def test_birefnet_sees_imagenets_colours_and_its_last_output_counts(
    tmp_path, channel, level, mean, std, output, runtime
):
    # -2 makes every logit negative, so that logits cannot be taken for coverage.
    path = write_graph(
        tmp_path / "b.onnx", RED, (9.0, 9.0, 9.0), channel, bias=-2, sigmoid=output == "coverage"
    )
    config = BirefnetOnnxConfig(weights=path, output=output, runtime=runtime)
    (alpha,) = build(config).predict([plain(33, 51)])
    np.testing.assert_allclose(alpha, sigmoid((level / 255 - mean) / std - 2), atol=1e-6)


def test_u2net_divides_by_the_brightest_value_and_takes_its_first_output(tmp_path, runtime):
    path = write_graph(tmp_path / "u2net.onnx", BLUE, RED, sigmoid=True)
    (alpha,) = build(U2NetConfig(weights=path, runtime=runtime)).predict([plain(33, 51)])
    np.testing.assert_allclose(alpha, sigmoid((50 / 200 - 0.406) / 0.225), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (7, 331), (16, 24), (401, 33)])
def test_bright_on_the_left_stays_on_the_left_at_any_size(tmp_path, size):
    path = write_graph(tmp_path / "isnet.onnx", (20.0, 20.0, 20.0), sigmoid=True)
    picture = plain(*size, (20, 20, 20))
    picture[:, : -(-size[1] // 2)] = 240
    (alpha,) = build(IsNetConfig(weights=path)).predict([picture])
    assert alpha.shape == size
    assert alpha.dtype == np.float32
    assert alpha[:, 0].min() > 0.99
    if size[1] > 1:
        assert alpha[:, -1].max() < 0.01


def test_no_alpha_is_stretched_to_its_own_range(tmp_path):
    path = write_graph(tmp_path / "isnet.onnx", RED, bias=-3, sigmoid=True)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    (alpha,) = build(IsNetConfig(weights=path)).predict([noise])
    assert alpha.max() < sigmoid(-2.5)


def test_a_graph_in_half_precision_is_fed_in_half_precision(tmp_path, runtime):
    path = write_graph(tmp_path / "isnet.onnx", RED, sigmoid=True, dtype=TensorProto.FLOAT16)
    (alpha,) = build(IsNetConfig(weights=path, runtime=runtime)).predict([plain(16, 24)])
    assert alpha.dtype == np.float32
    np.testing.assert_allclose(alpha, sigmoid(200 / 255 - 0.5), atol=1e-3)


@pytest.mark.parametrize("announced", ["logits", "coverage"])
def test_an_output_announced_wrongly_stops_the_run(tmp_path, announced):
    path = write_graph(tmp_path / "b.onnx", RED, bias=-2, sigmoid=announced == "logits")
    network = build(BirefnetOnnxConfig(weights=path, output=announced))
    other = "coverage" if announced == "logits" else "logits"
    with pytest.raises(FatalError, match=f"say output: {other}"):
        network.predict([plain(20, 20)])


def test_asking_for_a_gpu_and_having_none_is_fatal(tmp_path):
    path = write_graph(tmp_path / "isnet.onnx", RED)
    with pytest.raises(FatalError, match=r"cuda.*CPUExecutionProvider.*onnxruntime-gpu"):
        build(IsNetConfig(weights=path, device="cuda"))


def test_pinned_weights_are_verified_and_named_in_the_revision(tmp_path):
    path = write_graph(tmp_path / "isnet.onnx", RED)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    pinned = IsNetConfig(weights=path, weights_sha256=sha256)
    assert build(pinned).revision == f"isnet-{sha256[:12]}"
    assert pinned.revision == f"isnet/{sha256}"
    with pytest.raises(FatalError, match="expected sha256"):
        build(IsNetConfig(weights=path, weights_sha256="0" * 64))


def test_a_graph_of_no_fixed_size_is_fatal(tmp_path, runtime):
    path = write_graph(tmp_path / "isnet.onnx", RED, size=("h", "w"))
    with pytest.raises(FatalError, match=r"expected one input of shape \[1, 3, H, W\]"):
        build(IsNetConfig(weights=path, runtime=runtime))


def test_a_graph_of_any_batch_takes_one(tmp_path, runtime):
    path = write_graph(tmp_path / "isnet.onnx", RED, sigmoid=True, batch="N")
    (alpha,) = build(IsNetConfig(weights=path, runtime=runtime)).predict([plain(16, 24)])
    np.testing.assert_allclose(alpha, sigmoid(200 / 255 - 0.5), atol=1e-6)


def test_a_graph_of_two_pictures_is_fatal(tmp_path, runtime):
    path = write_graph(tmp_path / "isnet.onnx", RED, batch=2)
    with pytest.raises(
        FatalError, match=r"expected one input of shape .* found \[\[2, 3, 16, 24\]\]"
    ):
        build(IsNetConfig(weights=path, runtime=runtime))


def test_a_file_that_is_no_graph_is_fatal(tmp_path, runtime):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(FatalError, match=r"junk\.onnx cannot be loaded"):
        build(IsNetConfig(weights=tmp_path / "junk.onnx", runtime=runtime))


def test_existing_needs_no_network():
    assert build(ExistingConfig()) is None


def test_a_kind_decides_which_fields_there_are():
    union = TypeAdapter(AnyNetworkConfig)
    assert isinstance(union.validate_python({"kind": "u2net"}), U2NetConfig)
    with pytest.raises(ValidationError, match="weights"):
        union.validate_python({"kind": "isnet"})
    with pytest.raises(ValidationError, match="output"):
        union.validate_python({"kind": "birefnet-onnx", "weights": "x.onnx"})
    with pytest.raises(ValidationError, match="max_batch"):
        union.validate_python({"kind": "u2net", "max_batch": 2})
