"""Chinese from end to end: a spreadsheet's export in GB18030, Chinese column and class names, no spaces."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.tiny import commit, dvc, make_tiny_project, python, set_knobs, write_encoder

pytestmark = pytest.mark.slow

SOURCE = """\
title: 灾情微博
files: {train: 微博.csv, unlabelled: 新微博.csv}
columns: {id: 编号, text: 文本, label: 标签}
keep: [地点]
labels: [日常, 灾情]
positive: 灾情
task: classification
metrics: [f1, accuracy]
copies: remove
"""
TELLING = {
    "灾情": ["山火蔓延", "洪水泛滥", "地震来袭", "浓烟滚滚", "紧急疏散", "房屋倒塌", "警报响起", "救援抵达"],
    "日常": ["花园喝茶", "生日蛋糕", "电影好看", "音乐动听", "假期愉快", "咖啡飘香", "朋友聚会", "阳光明媚"],
}
EITHER = ["今天", "我们", "街上", "很多人", "在城里", "刚才", "看到", "附近", "大家", "昨晚"]
PLACES = ["北京", "上海", "广州"]
STEPS = ["html", "nfkc", "urls", "hashtags", "punctuation", "whitespace"]


def tweets(count: int) -> list[tuple[str, str]]:
    """Texts of one to two telling words among others, with what surrounds them on Weibo."""
    chance, made = random.Random(7), []
    for number in range(count):
        label = ("日常", "灾情")[number % 2]
        words = [*chance.sample(TELLING[label], 2), *chance.sample(EITHER, 4)]
        chance.shuffle(words)
        ending = chance.choice(["。", "！", "…", "😀", "#微博# ", "ＡＢＣ"])
        made.append((f"{''.join(words)}{ending}{number}", label))
    return made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese") / "工程"
    make_tiny_project(folder)
    write_encoder(
        folder / "chinese-encoder", sorted({*"".join([*TELLING["灾情"], *TELLING["日常"], *EITHER])})
    )
    source = folder / "data/sources/中文"
    source.mkdir()
    (source / "source.yaml").write_text(SOURCE, encoding="utf-8")
    rows = [(number, text, PLACES[number % 3], label) for number, (text, label) in enumerate(tweets(200))]
    rows += [(900, rows[50][1], "北京", rows[50][3]), (901, "", "上海", "日常")]
    write_gb18030(source / "微博.csv", ["编号", "文本", "地点", "标签"], rows[20:])
    write_gb18030(source / "新微博.csv", ["编号", "文本", "地点"], [row[:3] for row in rows[:20]])
    set_knobs(folder, {"ingest": {"source": "中文"}, "clean": {"steps": STEPS, "language": "chinese"}})
    set_knobs(folder, {"encoder": {"name": "chinese-encoder"}, "tokenize": {"max_tokens": 40}})
    commit(folder)
    dvc(folder, "repro")
    return folder


def write_gb18030(path: Path, header: list[str], rows: list[Any]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    path.write_bytes(file.getvalue().encode("gb18030"))


def numbers(folder: Path, name: str) -> Any:
    return json.loads((folder / f"metrics/{name}.json").read_text(encoding="utf-8"))


def test_the_encoding_is_found_and_no_row_is_lost(finished: Path) -> None:
    told = numbers(finished, "ingest")
    assert all("gb18030" in form.lower() for form in told["read_as"].values())
    assert (told["rows_in"], told["rejected_because"]) == (202, {"text is empty": 1})
    assert told["roles"] == {"train": 181, "unlabelled": 20}
    ingested = pl.read_parquet(finished / "data/ingested.parquet")
    assert ingested["text"].to_list()[:180] == [text for text, _ in tweets(200)[20:]]


def test_cleaning_leaves_every_chinese_character(finished: Path) -> None:
    table = pl.read_parquet(finished / "data/cleaned.parquet")
    han = pl.col("text").str.replace_all(r"\P{Han}", "")
    before = pl.col("text_original").str.replace_all("#微博#", "").str.replace_all(r"\P{Han}", "")
    assert table.filter(han != before).is_empty()
    assert not table["text"].str.contains("[。！…＃Ａ]").any()


def test_every_character_is_known_to_the_encoder(finished: Path) -> None:
    assert numbers(finished, "tokenize")["unknown_share"] < 0.02  # an emoji stands at some numbers


def test_a_copy_and_its_original_are_found(finished: Path) -> None:
    assert numbers(finished, "split")["copies"] >= 1


def test_what_can_be_learnt_is_learnt(finished: Path) -> None:
    evaluation = numbers(finished, "evaluate")
    for model in ("tfidf", "finetuned"):
        assert evaluation[model]["test"]["accuracy"] > evaluation["dummy"]["test"]["accuracy"] + 0.2


def test_the_pages_speak_chinese(finished: Path) -> None:
    for page in ("errors", "profile"):
        text = (finished / f"reports/{page}.html").read_text(encoding="utf-8")
        assert "灾情微博" in text
        assert "日常" in text


def test_new_rows_are_labelled(finished: Path) -> None:
    new = finished / "新.csv"
    new.write_text("编号,文本\n1,昨晚山火蔓延，紧急疏散！\n2,今天生日蛋糕，假期愉快。\n", encoding="utf-8")
    python(finished, "-m", "commands.predict", "新.csv", "答.csv")
    answers = list(csv.DictReader((finished / "答.csv").read_text(encoding="utf-8").splitlines()))
    assert [answer["label"] for answer in answers] == ["灾情", "日常"]
