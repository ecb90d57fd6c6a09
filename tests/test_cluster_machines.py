"""Machines of a cluster that lack the data of a study, or differ from the machine of its driver."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from clusters import SHORT, dask_cluster
from studies import run_study, runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracking_uri")]


def write_mnist(root: Path, shade: int) -> None:
    """Write a small MNIST, whose images have the given shade."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 100), ("t10k", 20)):
        pixels = np.full((count, 28, 28), shade, np.uint8)
        pixels[:, :, 0] = np.arange(count, dtype=np.uint8)[:, None]
        labels = np.arange(count, dtype=np.uint8) % 10
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())


def test_data_are_sent_once_per_machine_and_machines_that_differ_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path / "cache" / "lrstudy", 7)
    write_mnist(tmp_path / "other" / "lrstudy", 9)
    old = tmp_path / "old packages" / "pillow-1.2.3.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 1.2.3\n")
    without = {"XDG_CACHE_HOME": str(tmp_path / "without"), "https_proxy": "http://127.0.0.1:9"}
    with dask_cluster(tmp_path / "cluster", 0) as cluster:
        cluster.add_worker(**without)
        cluster.add_worker(**without)
        cluster.add_worker(XDG_CACHE_HOME=str(tmp_path / "other"))
        cluster.add_worker(PYTHONPATH=str(old.parent))
        outcome = run_study("grid", *SHORT, "--data", "mnist", "--cluster", cluster.address)
        assert outcome.returncode == 0, outcome.stderr
        assert outcome.stdout.count("cluster: data sent to") == 1
        assert f"cluster: {cluster.address}, 2 workers on" in outcome.stdout
        refusals = sorted(re.findall(" is not used: (.*)", outcome.stderr))
        assert len(refusals) == 2, outcome.stderr
        assert refusals[0].startswith("its data have the digest ")
        assert refusals[1].startswith("pillow 1.2.3 there and ")


def test_a_cluster_of_only_machines_that_differ_is_an_error(tmp_path: Path) -> None:
    old = tmp_path / "old packages" / "torch-1.2.3.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.2.3\n")
    with dask_cluster(tmp_path / "cluster", 1, PYTHONPATH=str(old.parent)) as cluster:
        outcome = run_study("grid", *SHORT, "--cluster", cluster.address)
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines()[-1].startswith("error: no worker of the cluster can be used: ")
    assert "torch 1.2.3 there and" in outcome.stderr
    assert not runs()


def test_an_address_where_no_scheduler_answers_is_an_error() -> None:
    outcome = run_study("grid", *SHORT, "--cluster", "tcp://127.0.0.1:9")
    assert outcome.returncode == 2
    assert "error: cluster='tcp://127.0.0.1:9': no Dask scheduler answers" in outcome.stderr
    assert not runs()
