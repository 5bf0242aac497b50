import difflib
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from commands.lib.params_file import as_yaml, set_values
from stages.lib.exceptions import ConfigError
from tests.tiny import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def changed_lines(path: Path) -> list[str]:
    before = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    after = path.read_text(encoding="utf-8").splitlines()
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]


def test_nothing_but_the_values_changes(path: Path) -> None:
    values = {"learning_rate": 3.2e-5, "batch_size": 16, "lora_rank": 8, "gradient_checkpointing": True}
    set_values(path, "finetune", values)
    assert sorted(changed_lines(path)) == sorted(
        [
            "-   learning_rate: 1e-4",
            "+   learning_rate: 3.2e-5",
            "-   batch_size: 32",
            "+   batch_size: 16",
            "-   lora_rank: null",
            "+   lora_rank: 8",
            "-   gradient_checkpointing: false",
            "+   gradient_checkpointing: true",
        ]
    )


def test_a_comment_behind_the_value_stays(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a:\n  seed: 1\nfinetune:\n  seed: 2   # theirs\n  rate: 0.1 # a # b\n", encoding="utf-8")
    set_values(path, "finetune", {"seed": 31, "rate": 1e-4})
    expected = "a:\n  seed: 1\nfinetune:\n  seed: 31   # theirs\n  rate: 1e-4 # a # b\n"
    assert path.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"finetune:\r\n  a: 1 # c\r\n  b: 2\r\n", b"finetune:\r\n  a: 3 # c\r\n  b: 2\r\n"),
        (b"finetune: {a: 1, b: 2}\n", b"finetune: {a: 3, b: 2}\n"),
        (b'finetune:\n  a: "x #y" # c\n', b"finetune:\n  a: 3 # c\n"),
        ("# é\nfinetune:\n  a: 1".encode(), "# é\nfinetune:\n  a: 3".encode()),
    ],
)
def test_every_other_byte_stays(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(before)
    set_values(path, "finetune", {"a": 3})
    assert path.read_bytes() == after


@pytest.mark.parametrize("text", ["a: &r 1\n  b: *r\n", "a:\n  b: 2\n"])
def test_what_would_change_another_value_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"finetune:\n  {text}")
    with pytest.raises(ConfigError, match="write them yourself: a: 3"):
        set_values(path, "finetune", {"a": 3})
    assert path.read_text() == f"finetune:\n  {text}"


@pytest.mark.parametrize("key", ["missing", "space"])
def test_what_is_no_single_value_is_refused_and_the_file_left(path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"search.{key}: no single value stands there"):
        set_values(path, "search", {"seed": 1, key: 2})
    assert changed_lines(path) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1e-4"),
        (0.00032, "3.2e-4"),
        (0.05, "0.05"),
        (0.0, "0.0"),
        (3.0, "3.0"),
        (1.5e-10, "1.5e-10"),
        (1.23456789e-5, "1.23456789e-5"),
        ("null", '"null"'),
        ("a: b # c", '"a: b # c"'),
        (True, "true"),
        (None, "null"),
        (16, "16"),
        ("bf16", "bf16"),
    ],
)
def test_a_value_is_written_as_a_person_would_and_read_as_the_same(value: Any, text: str) -> None:
    assert as_yaml(value) == text
    read = YAML(typ="safe", pure=True).load(f"a: {text}")["a"]
    assert read == value
    assert type(read) is type(value)
