"""What each cleaning step does to a text, and that the tutorial's chain gives what Python's `re` gives."""

import random
import re
import sys
import unicodedata
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from bench.cleaning import CUSTOMARY
from bench.peers.cleaning import clean_text
from stages.lib.cleaning.cleaning import clean, cleaned
from stages.lib.cleaning.expressions import EXPRESSIONS
from stages.lib.cleaning.nltk_steps import NLTK_STEPS
from stages.lib.cleaning.steps import (
    Cleaning,
    Step,
    StepName,
    read_cleaning,
    write_cleaning,
)

SHARED = Path(__file__).parents[1].parent / "shared/data"
TWEETS = SHARED / "disaster_tweets"

TUTORIAL: list[Step] = list(CUSTOMARY.steps)  # those of the tutorial's chain

SCRIPTS = {
    "Chinese": "今天 天气很好 我们去公园",
    "Japanese": "今日はとても カッコイイ",
    "Korean": "오늘 날씨가 좋다",
    "Arabic": "الطقس جميل اليوم",
    "Persian, with joiners": "می‌خواهم کتاب‌ها",
    "Cyrillic": "сегодня хорошая погода",
    "Greek": "καλημέρα κόσμε",
    "Hindi": "नमस्ते दुनिया",
    "Thai": "สวัสดีชาวโลก",
    "accents": "déjà naïve übergroß",
    "emoji": "👩‍⚕️ 👍🏽 🇩🇪 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️ ☎",
}

NASTY = [
    "",
    " ",
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u2003\u2028\u3000x",
    "a\x00b \x00",
    "@user@other #tag#tag ##  @ # @_ @é @cafe\u0301xyz @٣ @²x @名字abc @a\u200db",
    "http://t.co/AbC1http://t.co/x https://t.co/ HTTPS://T.CO/ABC http://t.com/abc http://t.co/é",
    "1 2 33 4a 5\n6_7 ٣٤ ५x 12",
    "İstanbul ΑΣ ΣΑΣ. ΌΣΟΣ ŸĲǅ \u212a\u212b ſß ﬀ",
    "it's a e\u0301 ab abc ab_c _ __ ___",
    "&amp; <br> $1 ${1} \\1 \\n",
    "🔥🔥 fire 1️⃣ 👩‍⚕️ \U0010ffff \ufffe",
]


def apply(text: str, *steps: Step, language: str = "english") -> str:
    result: str = cleaned(pl.Series([text]), Cleaning(steps=list(steps), language=language)).item()
    return result


def differences(texts: list[str]) -> list[tuple[str, str, str]]:
    ours = cleaned(pl.Series(texts, dtype=pl.String), Cleaning(steps=TUTORIAL, language="english"))
    expected = [clean_text(text) for text in texts]
    return [row for row in zip(texts, ours, expected, strict=True) if row[1] != row[2]]


def random_texts(count: int) -> list[str]:
    """Of pieces that the steps look for, and of every assigned character that UTF-8 can hold."""
    chance = random.Random(13)
    known = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
    pieces = [
        *"@#_ .,;:/!?&<>'-0123456789",
        *"abcxyzABC",
        "http://t.co/",
        "https://t.co/",
        "\n",
        "é",
        "e\u0301",
        "名",
    ]
    return [
        "".join(
            chance.choice(pieces if chance.random() < 0.7 else known) for _ in range(chance.randrange(40))
        )
        for _ in range(count)
    ]


# the tutorial's chain


def test_tutorial_chain_equals_python_on_nasty_texts() -> None:
    assert differences(NASTY) == []


def test_tutorial_chain_equals_python_on_random_unicode() -> None:
    assert differences(random_texts(5_000)) == []


@pytest.mark.skipif(not TWEETS.exists(), reason="needs the disaster tweets in ../shared/data")
@pytest.mark.parametrize(("file", "rows"), [("train.csv", 7_613), ("test.csv", 3_263)])
def test_tutorial_chain_equals_python_on_every_tweet(file: str, rows: int) -> None:
    texts = pl.read_csv(TWEETS / file, infer_schema=False)["text"].to_list()
    assert len(texts) == rows
    assert differences(texts) == []


@pytest.mark.parametrize(
    ("step", "pattern", "value"),
    [
        ("short_links", r"https?://t\.co/[A-Za-z0-9]+", ""),
        ("mentions", r"@\w+", ""),
        ("hash_signs", r"#", ""),
        ("ascii_letters_digits", r"[^A-Za-z0-9]", " "),
        ("numbers_with_separator", r"\d+\W", ""),
    ],
)
def test_step_of_the_tutorial_equals_its_pattern_on_any_text(step: Step, pattern: str, value: str) -> None:
    texts = NASTY + random_texts(2_000)
    ours = cleaned(pl.Series(texts), Cleaning(steps=[step], language="english")).to_list()
    assert ours == [re.sub(pattern, value, text) for text in texts]


def test_whitespace_equals_python_on_any_text() -> None:
    texts = NASTY + random_texts(2_000)
    ours = cleaned(pl.Series(texts), Cleaning(steps=["whitespace"], language="english")).to_list()
    assert ours == [re.sub(r"\s+", " ", text).strip() for text in texts]


def test_lowercase_equals_python_on_every_assigned_character() -> None:
    texts = NASTY + random_texts(2_000)
    ours = cleaned(pl.Series(texts), Cleaning(steps=["lowercase"], language="english")).to_list()
    assert ours == [text.lower() for text in texts]


# each step


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("unicode", "cafe\u0301", "café"),
        ("unicode", "a\x00b\u200bc\ufeffd\u00ade\u202ef\x7fg", "abcdefg"),
        ("unicode", "e\u200b\u0301", "é"),
        ("unicode", "tab\tand\nline", "tab\tand\nline"),
        ("nfc", "cafe\u0301 \u200b ﬁ Ａ①", "café \u200b ﬁ Ａ①"),
        ("nfkc", "cafe\u0301 ﬁ Ａ① ｶﾞ", "café fi A1 ガ"),
        ("html", "R&amp;D &lt;3 &#39;ok&#39; &#x1F600;", "R&D <3 'ok' 😀"),
        ("html", "&lt;b&gt; is a tag, &amp;lt; is not", "<b> is a tag, &lt; is not"),
        ("html", "one<br />two<p>three</p>", "one two three "),
        ("html", '<a href="https://a.org">b<b>ol</b>d</a>', "bold"),
        ("html", "a<!-- b\n --><script>if (a < b) c</script>d", "a  d"),
        ("html", "I <3 you, a < b > c, <user>", "I <3 you, a < b > c, <user>"),
        ("html", "AT&T ?a=1&region=2 &region; Q&A;", "AT&T ?a=1&region=2 &region; Q&A;"),
        ("html", "&#0;|&#xD800;|&#1114112;", "\ufffd|\ufffd|\ufffd"),
        ("urls", "(see https://a.org/b_(c)?d=1#e).", "(see )."),
        ("urls", "HTTP://A.ORG, www.a.org/b! awww.nice", ", ! awww.nice"),
        ("urls", "看https://t.co/abc很好", "看很好"),
        ("urls", "https://пример.рф/путь тест", " тест"),
        ("short_links", "http://t.co/aB1 https://a.org", " https://a.org"),
        ("mentions", "@user_1: hi @名字 there @", ": hi  there @"),
        ("hashtags", "#fire in #LA2015, we are #1 in C#", " in , we are #1 in C#"),
        ("hashtags", "#天气#今天很好 #नमस्ते", "今天很好 "),
        ("hash_signs", "#fire #1", "fire 1"),
        ("emoji", "good😀morning 👩‍⚕️👍🏽", "good morning  "),
        ("emoji", "🇩🇪 1️⃣2 #️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️ ❤ ©️", "   2" + 10 * " "),
        ("emoji", "12 #1 © ™ ↔ ♪ 7", "12 #1 © ™ ↔ ♪ 7"),
        ("punctuation", 'it\'s "fine" -- 5% <ok>_$!', "it s  fine    5   ok "),
        ("punctuation", "你好，世界。 ¿qué? مرحبا، नमस्ते।", "你好 世界   qué  مرحبا  नमस्ते "),
        ("ascii_letters_digits", "it's 3€ 好", "it s 3   "),
        ("numbers", "1,000 at 12:30 or 3.5% (٣٫٥)", " at  or % ()"),
        ("numbers", "covid19 4th 2024年", "covid19 4th 2024年"),
        ("numbers_with_separator", "12 of a1 b2", "of ab2"),
        ("short_words", "I am so very нет да", "   very нет "),
        ("short_words", "né ne\u0301 नम", "  "),
        ("short_words", "今天，天气 안녕 1️⃣", "今天，天气 안녕 1️⃣"),
        ("repeated_characters", "sooooo Yeeesss coool book", "soo Yeess cool book"),
        ("repeated_characters", "哈哈哈哈 дааа éééé 𝒳𝒳𝒳", "哈哈 даа éé 𝒳𝒳"),
        ("repeated_characters", "sooo 1000 ... !!! ___", "soo 1000 ... !!! ___"),
        ("whitespace", "\u3000 a \n\n b\x1f\u2028c\xa0", "a b c"),
        ("lowercase", "ÀÇ ΌΣΟΣ ДА İ", "àç όσος да i̇"),
        ("tokenize", "@user it's #fun :-) http://a.org/b 你好!", "@user it's #fun :-) http://a.org/b 你好 !"),
        ("stem", "Running cats ponies", "run cat poni"),
    ],
)
def test_step(step: Step, before: str, after: str) -> None:
    assert apply(before, step) == after


def test_every_step_has_one_implementation() -> None:
    assert sorted(get_args(StepName)) == sorted([*EXPRESSIONS, *NLTK_STEPS])


# step -> the scripts that it is about
ABOUT: dict[StepName, set[str]] = {
    "emoji": {"emoji"},
    "ascii_letters_digits": set(SCRIPTS),
    "numbers_with_separator": {"emoji"},
}


@pytest.mark.parametrize("step", EXPRESSIONS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_other_scripts_survive_a_step_that_is_not_about_them(step: StepName, script: str) -> None:
    if script not in ABOUT.get(step, set()):
        assert apply(SCRIPTS[script], step) == SCRIPTS[script]


ONCE: set[StepName] = {
    "html",  # "&amp;lt;" speaks of "&lt;", which speaks of "<"
    "urls",  # what stands around a removed piece can meet and make a new one
    "short_links",
    "mentions",
    "hashtags",
    "numbers_with_separator",
}


@pytest.mark.parametrize("step", [step for step in EXPRESSIONS if step not in ONCE])
def test_a_second_time_changes_nothing(step: Step) -> None:
    texts = pl.Series(NASTY + random_texts(1_000) + list(SCRIPTS.values()))
    cleaning = Cleaning(steps=[step], language="english")
    once = cleaned(texts, cleaning)
    assert cleaned(once, cleaning).to_list() == once.to_list()


@pytest.mark.parametrize("step", [*EXPRESSIONS, "tokenize", "stem"])
def test_null_stays_null_and_empty_stays_empty(step: Step) -> None:
    texts = pl.Series("tweet", [None, "", "abc", None], dtype=pl.String)
    result = cleaned(texts, Cleaning(steps=[step], language="english"))
    assert result.to_list() == [None, "", "abc", None]
    assert result.name == "tweet"


@pytest.mark.parametrize("texts", [[], [None]])
def test_no_texts_at_all(texts: list[str | None]) -> None:
    steps: list[Step] = [*EXPRESSIONS, "tokenize", "stem"]
    series = pl.Series(texts, dtype=pl.String)
    assert cleaned(series, Cleaning(steps=steps, language="english")).to_list() == texts


def test_steps_apply_in_their_order() -> None:
    assert apply("HTTP://T.CO/A", "lowercase", "short_links") == ""
    assert apply("HTTP://T.CO/A", "short_links", "lowercase") == "http://t.co/a"


def test_no_steps_change_nothing() -> None:
    assert apply(" As  it\x00is ") == " As  it\x00is "


def test_streaming_engine_gives_the_same_texts_in_the_same_order() -> None:
    texts = pl.Series("text", random_texts(3_000))
    cleaning = Cleaning(steps=["html", *TUTORIAL, "repeated_characters"], language="english")
    streamed = texts.to_frame().lazy().select(clean(pl.col("text"), cleaning)).collect(engine="streaming")
    assert streamed["text"].equals(cleaned(texts, cleaning))


def test_cleaning_survives_its_file(tmp_path: Path) -> None:
    cleaning = Cleaning(steps=["html", "stem"], language="german")
    write_cleaning(cleaning, tmp_path / "cleaning.json")
    assert read_cleaning(tmp_path / "cleaning.json") == cleaning
