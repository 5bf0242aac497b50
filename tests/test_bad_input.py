"""Each kind of bad input in tests/bad_input.py does what docs/bad-input.md says."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from tests.bad_input import KEYS, MINE, PAGE, SET_ASIDE, TAKEN, TEXTS, Bad, all_kinds, page, rows
from tests.staged import run_in_process
from tests.tiny import ROOT, set_knobs

SPLIT = {"validation_fraction": 0.3, "test_fraction": 0.3}


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of params.yaml."""
    folder = tmp_path_factory.mktemp("params")
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    set_knobs(folder, {"ingest": {"source": "mine"}, "split": SPLIT})
    return (folder / "params.yaml").read_text(encoding="utf-8")


def lay_out(bad: Bad, params: str, folder: Path) -> None:
    (folder / MINE).mkdir(parents=True)
    for name, content in ({"train.csv": rows()} | bad.files).items():
        path = folder / MINE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if bad.yaml is None:
        keys = {key: value for key, value in (KEYS | bad.keys).items() if value is not None}
        YAML().dump(keys, folder / MINE / "source.yaml")
    elif bad.yaml:
        (folder / MINE / "source.yaml").write_bytes(bad.yaml)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    if bad.knobs:
        set_knobs(folder, bad.knobs)
    if bad.params is not None:
        text = (folder / "params.yaml").read_text(encoding="utf-8")
        assert bad.params[0] in text
        (folder / "params.yaml").write_text(text.replace(*bad.params), encoding="utf-8")


def run_stages(last: str) -> tuple[str, str]:
    """Up to `last`: the stage that stopped and its message, or nothing of both."""
    name, message = run_in_process(Path("data/sources") / source_name(), last)
    return name, re.sub(r"params\.yaml:\d+", "params.yaml:12", message)  # as if it stood there


def source_name() -> str:
    return str(YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))["ingest"]["source"])


@pytest.mark.parametrize("bad", list(all_kinds()), ids=lambda bad: bad.what[:60])
def test_it_does_what_the_page_says(
    bad: Bad, params: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(bad, params, tmp_path)
    monkeypatch.chdir(tmp_path)
    stopped, message = run_stages(bad.stage)
    if bad.done == SET_ASIDE:
        check_set_aside(bad)
    elif bad.done == TAKEN:
        assert pl.read_parquet("out/ingested")["text"].to_list() == list(bad.texts)
        assert json.loads(Path("out/ingest.json").read_text())["rows_rejected"] == 0
    else:
        assert (stopped, message) == (bad.stage, bad.says)
        written = {"ingest": "ingested", "clean": "cleaned", "split": "splits"}[bad.stage]
        assert not (Path("out") / written).exists()


def check_set_aside(bad: Bad) -> None:
    rejected = pl.read_parquet("out/rejected")
    assert rejected.select("line", "reason").rows() == [(bad.line, bad.says)]
    assert len(pl.read_parquet("out/ingested")) == len(TEXTS)


def test_the_page_is_made_of_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.bad_input`"


def test_sixty_kinds_have_causes_of_their_own() -> None:
    causes = [bad.what for bad in all_kinds()]
    assert len(set(causes)) == len(causes) >= 60
