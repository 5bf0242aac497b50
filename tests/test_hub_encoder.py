"""An encoder of the Hub, through the real client, against a Hub on this machine (tests/hub_server.py)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModel

from stages.lib.digests import sha256
from tests.hub_server import COMMIT, DATASET, Served, serving
from tests.tiny import ROOT, environment, write_encoder

pytestmark = pytest.mark.slow


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    write_encoder(folder)
    AutoModel.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle that nobody asked for")
    (folder / "modeling.py").write_text("raise SystemExit('code of the model was run')\n")
    return folder


@pytest.fixture
def hub(origin: Path) -> Iterator[Served]:
    files = {path.name: path.read_bytes() for path in origin.iterdir()}
    with serving(Served(files, kind="models")) as served:
        yield served
    assert served.unknown == []


def run_stage(folder: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    knobs = {"name": DATASET, "revision": COMMIT, "weights": "pretrained", "seed": 1}
    (project / "params.yaml").write_text(json.dumps({"encoder": knobs}))
    client = {"HF_HOME": str(folder / "cache"), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0"}
    client |= {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    command = (sys.executable, "-m", "stages.encoder", "--encoder", "encoder", "--metrics", "encoder.json")
    return subprocess.run(
        command,
        cwd=project,
        env=environment() | client,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_weights_and_nothing_that_runs(tmp_path: Path, origin: Path, hub: Served) -> None:
    done = run_stage(tmp_path, hub.endpoint)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "project/encoder"
    assert sha256(made / "model.safetensors") == sha256(origin / "model.safetensors")
    assert not [name for name in hub.requests if name.endswith((".bin", ".py"))]
    assert json.loads((made / "provenance.json").read_text())["revision"] == COMMIT


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "not found at"),
        (404, "RevisionNotFound", "no such commit"),
        (403, "GatedRepo", "accept its terms"),
        (500, "", "answered 500"),
    ],
)
def test_a_refusal_is_one_message_and_leaves_nothing(
    tmp_path: Path, hub: Served, status: int, code: str, message: str
) -> None:
    hub.refusal = (status, code)
    assert message in refused(tmp_path, hub.endpoint)


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    assert "http://127.0.0.1:9 cannot be reached" in refused(tmp_path, "http://127.0.0.1:9")


def test_a_file_cut_short_is_never_used(tmp_path: Path, hub: Served) -> None:
    hub.cut_short = "model.safetensors"
    refused(tmp_path, hub.endpoint)
    hub.cut_short = ""
    assert run_stage(tmp_path, hub.endpoint).returncode == 0


def refused(folder: Path, endpoint: str) -> str:
    done = run_stage(folder, endpoint)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (folder / "project").iterdir() if path.name != ".textrail"] == [
        "params.yaml"
    ]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("encoder:")]
    assert line.startswith(f"encoder: model {DATASET} at {COMMIT}: ")
    return line
