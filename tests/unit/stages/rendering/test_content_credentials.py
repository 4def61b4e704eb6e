from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from pipeline.errors import ErrorCode, FatalError, TransientError
from pipeline.imaging.writing.provenance_xmp import Provenance, source_uri, xmp_packet
from pipeline.stages.rendering.content_credentials import Credentials, Parent, SigningConfig
from tests.certificates import write_chain

c2pa = pytest.importorskip("c2pa")

EDITED = source_uri("compositeWithTrainedAlgorithmicMedia")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    chain, key = write_chain(tmp_path_factory.mktemp("keys"))
    return SigningConfig(certificates=str(chain), private_key=str(key))


@pytest.fixture(scope="module")
def credentials(config):
    return Credentials(config)


def picture(format_name, color="red", **options):
    file = BytesIO()
    Image.new("RGB", (64, 48), color).save(file, format_name, **options)
    return file.getvalue()


PARENT = Parent.of(picture("JPEG", "blue"), "image/jpeg")


def signed(credentials, format_name="PNG", title="shoe/1"):
    packet = xmp_packet(Provenance(source_type="compositeWithTrainedAlgorithmicMedia"))
    options = {} if format_name == "PNG" else {"xmp": packet}
    return credentials.sign(
        picture(format_name, **options),
        media_type=f"image/{format_name.lower()}",
        title=title,
        parent=PARENT,
        source_uri=EDITED,
    )


def read(data, media_type="image/png"):
    with c2pa.Reader(media_type, BytesIO(data)) as reader:
        return json.loads(reader.json()), reader.get_validation_state()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_what_was_signed_can_be_read_back_and_holds(credentials, format_name):
    store, state = read(signed(credentials, format_name), f"image/{format_name.lower()}")
    manifest = store["manifests"][store["active_manifest"]]
    assert state == "Valid"
    assert manifest["title"] == "shoe/1"
    (actions,) = (
        assertion["data"]["actions"]
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
    )
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    (opened,) = actions[0]["parameters"]["ingredients"]
    assert opened["url"].endswith("c2pa.ingredient.v3")
    assert actions[1]["digitalSourceType"] == EDITED
    assert manifest["signature_info"]["issuer"] == "Backlot tests"


def test_the_photograph_is_the_parent_by_its_hash_and_no_more_is_said_of_it(credentials):
    store, _ = read(signed(credentials))
    (parent,) = store["manifests"][store["active_manifest"]]["ingredients"]
    digest = hashlib.sha256(picture("JPEG", "blue"))
    name = urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    assert parent == {
        "title": "photograph",
        "format": "image/jpeg",
        "relationship": "parentOf",
        "instance_id": f"ni:///sha-256;{name}?ct=image/jpeg",
        "description": f"SHA-256 of the file: {digest.hexdigest()}",
        "label": "c2pa.ingredient.v3",
    }


def test_a_pixel_changed_afterwards_breaks_the_signature(credentials):
    data = bytearray(signed(credentials, "PNG"))
    at = data.index(b"IDAT") + 10
    data[at] ^= 1
    _, state = read(bytes(data))
    assert state == "Invalid"


def test_signing_changes_no_pixel_and_keeps_the_xmp(credentials):
    before, after = (
        Image.open(BytesIO(picture("JPEG"))),
        Image.open(BytesIO(signed(credentials, "JPEG"))),
    )
    assert before.tobytes() == after.tobytes()
    assert EDITED.encode() in after.info["xmp"]


def test_threads_get_their_own_pictures(credentials):
    titles = [f"shoe/{number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda title: signed(credentials, title=title), titles))
    stores = [read(file)[0] for file in files]
    assert [store["manifests"][store["active_manifest"]]["title"] for store in stores] == titles


def failing(config, folder, *, times, timeout_s=60.0):
    """Signs with a process that is lost, so many times, on a picture with a title that says how."""
    folder.mkdir()
    files = (config.certificates, config.private_key, config.algorithm)
    command = (sys.executable, "-P", "-m", "tests.failing_signer", *files, str(folder), str(times))
    return Credentials(config.model_copy(update={"timeout_s": timeout_s}), command=command)


@pytest.mark.parametrize("way", ["exits", "is killed"])
def test_a_signer_that_is_lost_once_costs_nothing(config, tmp_path, way):
    credentials = failing(config, tmp_path / "been", times=1)
    assert read(signed(credentials, title=way))[1] == "Valid"
    assert len(list((tmp_path / "been").iterdir())) == 1


def test_a_signer_that_hangs_once_costs_no_more_than_the_wait(config, tmp_path):
    credentials = failing(config, tmp_path / "been", times=1, timeout_s=5)
    assert read(signed(credentials, title="hangs"))[1] == "Valid"
    assert len(list((tmp_path / "been").iterdir())) == 1


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("exits", "exit code 3, 2 times"),
        ("is killed", "ended by SIGKILL, 2 times"),
        ("hangs", "no answer in 5 s, 2 times"),
    ],
)
def test_a_signer_that_is_lost_again_costs_that_row_and_no_other(config, tmp_path, way, said):
    patience = {"timeout_s": 5} if way == "hangs" else {}
    credentials = failing(config, tmp_path / "been", times=99, **patience)
    assert read(signed(credentials))[1] == "Valid"
    with pytest.raises(TransientError, match=said) as caught:
        signed(credentials, title=way)
    assert caught.value.code == ErrorCode.SIGNING_FAILED
    assert len(list((tmp_path / "been").iterdir())) == 2
    assert read(signed(credentials))[1] == "Valid"


def test_what_the_library_refuses_is_said_once_and_costs_that_row(credentials):
    with pytest.raises(TransientError) as caught:
        credentials.sign(
            b"no picture", media_type="image/png", title="x", parent=PARENT, source_uri=EDITED
        )
    assert caught.value.code == ErrorCode.SIGNING_FAILED
    assert "times in succession" not in caught.value.message
    assert read(signed(credentials))[1] == "Valid"


def test_a_worker_never_loads_the_library_that_signs():
    code = "import sys; import pipeline.flow; assert 'c2pa' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keys_that_are_missing_or_do_not_work_stop_the_run(config, tmp_path):
    with pytest.raises(FatalError, match=r"none\.pem: No such file"):
        Credentials(config.model_copy(update={"private_key": str(tmp_path / "none.pem")}))
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(FatalError, match=r"provenance\.sign"):
        Credentials(config.model_copy(update={"private_key": str(torn)}))


def test_a_key_of_another_certificate_stops_the_run(config, tmp_path):
    _, other = write_chain(tmp_path)
    with pytest.raises(FatalError, match=r"provenance\.sign"):
        Credentials(config.model_copy(update={"private_key": str(other)}))


def test_a_certificate_that_has_ended_stops_the_run(config, tmp_path):
    chain, key = write_chain(tmp_path, ends_in_days=-1)
    files = {"certificates": str(chain), "private_key": str(key)}
    with pytest.raises(FatalError, match="not valid at time of signing"):
        Credentials(config.model_copy(update=files))


def test_a_signer_that_cannot_start_stops_the_run(config):
    with pytest.raises(FatalError, match="cannot be started"):
        Credentials(config, command=["/nowhere/at-all"])


def test_without_the_library_the_run_says_what_to_install(config, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FatalError, match=r"backlot\[credentials\]"):
        Credentials(config)
