"""A dataset in the current folder, as the page supposes; Spark and Ray as small as can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readers.runs import make_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where `dataset` and `merged` are."""
    folder = tmp_path_factory.mktemp("readers")
    make_dataset(folder)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory):
    """What would be the user's own settings: one thread, no network, no cache from elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        options = "--master local[1] --conf spark.ui.enabled=false --conf spark.driver.memory=1g"
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"{options} pyspark-shell")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("SPARK_LOCAL_HOSTNAME", "localhost")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        yield


@pytest.fixture
def there(dataset: Path, environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in the folder of the dataset."""
    monkeypatch.chdir(dataset)
    return dataset


@pytest.fixture(scope="session")
def ray_here():
    """Ray, as small as it can be."""
    import tempfile

    import ray

    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=folder,
        )
        yield
        ray.shutdown()
