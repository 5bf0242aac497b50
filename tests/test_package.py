import json
from pathlib import Path

import pytest

from stages.lib.task import write_task
from stages.package import main
from tests.predicted import task_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("trained").mkdir()
    Path("trained/model.safetensors").write_bytes(b"weights")
    Path("trained/config.json").write_text("{}")
    write_task(task_of(), Path("task.json"))
    Path("evaluate.json").write_text(json.dumps({"finetuned": {"test": {}}}))
    return tmp_path


def run_stage() -> Path:
    main(
        task=Path("task.json"),
        trained=Path("trained"),
        evaluation=Path("evaluate.json"),
        model=Path("finetuned"),
        metrics=Path("metrics.json"),
    )
    return Path("finetuned")


def test_the_trained_files_are_handed_on_byte_for_byte_with_a_card(project: Path) -> None:
    model = run_stage()
    assert {path.name for path in model.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert (model / "model.safetensors").read_bytes() == b"weights"
    sizes = sum(path.stat().st_size for path in model.iterdir())
    assert json.loads(Path("metrics.json").read_text()) == {"bytes": sizes, "files": 3}
