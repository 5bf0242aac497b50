from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from stages.lib.config import StrictModel, read_config, read_yaml
from stages.lib.exceptions import ConfigError
from stages.lib.params import StageParams, load_params


class Step(StrictModel):
    name: Literal["lower", "strip"]
    columns: list[str]


class Params(StageParams):
    learning_rate: float = Field(gt=0)
    epochs: int
    step: Step | None
    tags: list[str]

    @field_validator("tags")
    @classmethod
    def distinct(cls, tags: list[str]) -> list[str]:
        if len(set(tags)) < len(tags):
            raise ValueError("tags must differ; remove the copy")
        return tags


GOOD = """\
# comment
finetune:
  learning_rate: 5e-5
  epochs: 3
  step:
    name: lower
    columns: [text]
  tags:
    - a
    - b
"""


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, section: str = "finetune") -> Params:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    return load_params(section, Params)


def refusal(folder: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(folder, monkeypatch, GOOD.replace(old, new))
    return str(caught.value)


def test_a_section_as_typed_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load(tmp_path, monkeypatch, GOOD)
    assert params.learning_rate == 5e-5
    assert params.step == Step(name="lower", columns=["text"])


def test_a_float_may_be_written_as_an_integer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(tmp_path, monkeypatch, GOOD.replace("5e-5", "1")).learning_rate == 1.0


def test_values_are_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load(tmp_path, monkeypatch, GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        params.epochs = 4


def test_yaml_1_2_words_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("answer: no\nrate: 1e-3\noctal: 012\n")
    assert read_yaml(tmp_path / "some.yaml") == {"answer": "no", "rate": 0.001, "octal": 12}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs:", "epoch:", "params.yaml:4: finetune.epoch: unknown key; did you mean 'epochs'?"),
        ("epochs: 3", "epochs: 3\n  q: 1", "finetune.q: unknown key; known here: learning_rate, epochs"),
        ("name: low", "nome: low", "params.yaml:6: finetune.step.nome: unknown key; did you mean 'name'?"),
        ("  epochs: 3\n", "", "finetune.epochs: missing; every value stands in params.yaml"),
        ("epochs: 3", "epochs: '3'", "params.yaml:4: finetune.epochs: found '3'; should be a valid integer"),
        ("epochs: 3", "epochs: 3.5", "params.yaml:4: finetune.epochs: found 3.5; should be a valid integer"),
        ("5e-5", "0", "params.yaml:3: finetune.learning_rate: found 0; should be greater than 0"),
        ("- b", "- 7", "params.yaml:10: finetune.tags.1: found 7; should be a valid string"),
        ("- b", "- a", "params.yaml:8: finetune.tags: found ['a', 'a']; tags must differ; remove the copy"),
        ("lower", "upper", "yaml:6: finetune.step.name: found 'upper'; should be one of: lower, strip"),
    ],
)  # fmt: skip
def test_a_refusal_names_line_key_and_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    assert message in refusal(tmp_path, monkeypatch, old, new)


def test_every_fault_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = GOOD.replace("epochs: 3", "epochs: many").replace("5e-5", "-1")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, monkeypatch, text)
    assert len(str(caught.value).splitlines()) == 2


def test_a_section_misspelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no section 'finetun'; did you mean 'finetune'"):
        load(tmp_path, monkeypatch, GOOD, section="finetun")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: [\n", "some.yaml:3: not valid YAML"),
        (b"a: 1\na: 2\n", 'some.yaml:2: not valid YAML: found duplicate key "a"'),
        (b"a: \xff\n", "some.yaml: byte 3 is not UTF-8"),
        (b"- 1\n", "some.yaml: expected keys and values, found [1]"),
        (b"", "some.yaml: expected keys and values, found None"),
        (b"a: 5\n", "some.yaml: a: expected keys and values, found 5"),
    ],
)
def test_a_file_that_holds_no_configuration(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "some.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "some.yaml", Params, "a")
    assert message in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        read_yaml(tmp_path / "absent.yaml")


def test_a_whole_file_without_sections(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("name: lower\ncolumns: [text]\n")
    assert read_config(tmp_path / "some.yaml", Step) == Step(name="lower", columns=["text"])


def test_a_long_value_is_shown_in_brief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(tmp_path, monkeypatch, "epochs: 3", f"epochs: {'x' * 500}")
    assert len(message) < 160
    assert "..." in message
