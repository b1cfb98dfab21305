"""contrastseg worker: what is refused, and that it works until it is ended."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kit.command_line import contrastseg, here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.command_line import Refused

pytest.importorskip("distributed")


@pytest.fixture
def port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_only_this_computer_reaches_a_scheduler_without_tls(refused: Refused) -> None:
    for host in ("0.0.0.0", "192.0.2.7", "somewhere.org"):
        said = refused("worker", "--listen", f"tcp://{host}:8786")
        assert "whoever reaches it could run code here as you" in said
        assert f"give tls://{host}:8786" in said


def test_a_scheduler_elsewhere_is_not_joined_without_tls(refused: Refused) -> None:
    said = refused("worker", "tcp://192.0.2.7:8786")
    assert "open a tunnel, ssh -N -L 8786:localhost:8786 192.0.2.7" in said


def test_tls_needs_certificates(refused: Refused) -> None:
    said = refused("worker", "--listen", "tls://0.0.0.0:8786")
    assert "Dask's configuration names none" in said


def test_joining_and_starting_are_two_things(refused: Refused, port: int) -> None:
    address = f"tcp://127.0.0.1:{port}"
    assert "so leave --local and --listen out" in refused("worker", address, "--local")
    assert "no Dask scheduler answers" in refused("worker", address)


def test_a_port_that_is_taken_is_named(port: int) -> None:
    address = f"tcp://127.0.0.1:{port}"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = here("worker", "--listen", address)
    assert said.status == 2
    assert f"contrastseg: {address}: cannot be listened at" in said.err
    assert "give --listen with another port" in said.err


def test_a_gpu_that_is_not_there_is_refused(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--gpu 7: 0 CUDA GPUs can be used here" in refused("worker", "--gpu", 7)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends it at once")
@pytest.mark.parametrize(
    ("host", "named"), [("127.0.0.1", "localhost"), ("[::1]", "[::1]")]
)
def test_it_says_how_it_is_reached_and_ends_when_told_to(
    port: int, host: str, named: str
) -> None:
    address = f"tcp://{host}:{port}"
    order = [sys.executable, "-W", "ignore", "-m", "napari_contrastseg.cli", "worker"]
    order += ["--listen", address, "--cores", "1"]
    with subprocess.Popen(
        order, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert lines[0].startswith(f"{address}: 1 worker, 1 core, ")
    assert f"--cluster tcp://{named}:{port}" in lines[1]
    assert f"ssh -N -L {port}:{named}:{port} " in lines[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends it at once")
def test_a_worker_trains_on_several_devices(
    port: int, dataset: Path, tmp_path: Path
) -> None:
    address = f"tcp://127.0.0.1:{port}"
    order = [sys.executable, "-W", "ignore", "-m", "napari_contrastseg.cli", "worker"]
    order += ["--listen", address, "--cores", "2"]
    with subprocess.Popen(order, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        done = contrastseg(
            "train", dataset, "--recipe", "supervised", "--slices", 3, "--steps", 2,
            "--device", "cpu", "--devices", 2, "--cluster", address,
            "--out", tmp_path / "m",
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m" / "model.json").is_file()
