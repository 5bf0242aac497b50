"""NLTK's steps give what NLTK's own loop over every row gives, and say what they lack."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nltk
import polars as pl
import pytest

from stages.lib.cleaning import mapping
from stages.lib.cleaning.cleaning import clean, cleaned
from stages.lib.cleaning.nltk_steps import NLTK_STEPS
from stages.lib.cleaning.steps import Cleaning, StepName
from stages.lib.exceptions import CleaningError
from tests.test_cleaning import NASTY, SCRIPTS, SHARED, apply, random_texts

NLTK_DATA = SHARED / "nltk_data"
WORDNET = Path("/usr/share/wordnet")
needs_data = pytest.mark.skipif(not NLTK_DATA.exists(), reason="needs ../shared/data/nltk_data")
needs_wordnet = pytest.mark.skipif(not WORDNET.exists(), reason="needs Debian's wordnet-base")
NO_DATA: list[StepName] = ["tokenize", "tokenize_treebank", "stem", "stem_porter"]
WITH_DATA: list[StepName] = ["tokenize_punkt", "stopwords"]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(NLTK_DATA)])


@pytest.fixture(scope="session")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As docs/cleaning.md says to make it of Debian's package."""
    folder = tmp_path_factory.mktemp("nltk")
    (folder / "corpora/wordnet").mkdir(parents=True)
    for path in WORDNET.glob("*.*"):
        shutil.copy(path, folder / "corpora/wordnet")
    for name in ("lexnames", "index.sense"):
        (folder / "corpora/wordnet" / name).touch()
    return folder


def loop_of(step: StepName) -> Callable[[str], str]:
    """The tutorials' way, a text at a time."""
    from nltk.stem import PorterStemmer, SnowballStemmer
    from nltk.tokenize import TreebankWordTokenizer, TweetTokenizer, word_tokenize

    stems = SnowballStemmer("english").stem
    stop_words = nltk.corpus.stopwords.words("english") if step == "stopwords" else []
    loops: dict[StepName, Callable[[str], list[str]]] = {
        "tokenize": TweetTokenizer().tokenize,
        "tokenize_treebank": TreebankWordTokenizer().tokenize,
        "tokenize_punkt": word_tokenize,
        "stopwords": lambda text: [word for word in text.split() if word.lower() not in stop_words],
        "stem": lambda text: [stems(word) for word in text.split()],
        "stem_porter": lambda text: [PorterStemmer().stem(word) for word in text.split()],
    }
    return lambda text: " ".join(loops[step](text))


PROSE = "The running cats' ponies don't  IS is, (very) happily. Generously\x1cnationality é 今天 don’t"


def texts_with_words() -> list[str]:
    """Random ones, and ones of words that the steps change."""
    chance = random.Random(5)
    made = [" ".join(chance.choices(PROSE.split(" "), k=chance.randrange(12))) for _ in range(400)]
    return NASTY + random_texts(800) + made + made[:50] + list(SCRIPTS.values())


@pytest.mark.slow
@pytest.mark.parametrize("step", NO_DATA)
def test_same_as_nltks_own_loop(step: StepName) -> None:
    texts = texts_with_words()
    ours = cleaned(pl.Series(texts), Cleaning(steps=[step], language="english")).to_list()
    assert ours == [loop_of(step)(text) for text in texts]


@pytest.mark.slow
@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("step", WITH_DATA)
def test_same_as_nltks_own_loop_with_its_data(step: StepName) -> None:
    texts = texts_with_words()
    ours = cleaned(pl.Series(texts), Cleaning(steps=[step], language="english")).to_list()
    assert ours == [loop_of(step)(text) for text in texts]


@pytest.mark.slow
@needs_wordnet
def test_lemmas_of_debians_wordnet(wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(wordnet)])
    assert apply("the feet of geese, churches us Feet corpora 今天", "lemmatize") == (
        "the foot of geese, church u Feet corpus 今天"
    )


def test_words_are_done_once_over_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def note(word: str) -> str:
        seen.append(word)
        return word.upper()

    expression = mapping.over_words(pl.col("text"), note)
    for batch in (["a b a", None, ""], ["b c", "a"]):
        table = pl.DataFrame({"text": pl.Series(batch, dtype=pl.String)})
        assert table.select(expression)["text"].to_list() == [text and text.upper() for text in batch]
    assert sorted(seen) == ["a", "b", "c"]


def test_words_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "WORDS_KEPT", 2)
    seen: list[str] = []

    def note(word: str) -> str:
        seen.append(word)
        return word

    expression = mapping.over_words(pl.col("text"), note)
    for _ in range(2):
        pl.DataFrame({"text": ["x" * 100]}).select(expression)
    assert len(seen) == 2  # too long to be kept
    for _ in range(2):
        pl.DataFrame({"text": ["a b c d"]}).select(expression)
    assert len(seen) == 2 + 4 + 2


@pytest.mark.parametrize("step", NO_DATA)
@pytest.mark.parametrize("script", SCRIPTS)
def test_other_scripts_survive_but_for_case_and_spaces(step: StepName, script: str) -> None:
    before, after = SCRIPTS[script].lower(), apply(SCRIPTS[script], step)
    if script == "accents" and step in ("stem", "stem_porter"):  # of Latin letters, so stems
        assert all(
            word.startswith(stem) and len(stem) >= len(word) - 2
            for word, stem in zip(before.split(), after.split(), strict=True)
        )
    else:
        assert after.replace(" ", "") == before.replace(" ", "")


@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("step", WITH_DATA)
@pytest.mark.parametrize("script", SCRIPTS)
def test_other_scripts_survive_steps_with_data(step: StepName, script: str) -> None:
    assert apply(SCRIPTS[script], step) == SCRIPTS[script]


@pytest.mark.slow
@needs_wordnet
def test_other_scripts_survive_lemmas(wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(wordnet)])
    texts = pl.Series(list(SCRIPTS.values()))  # at once: WordNet takes a second to load
    assert cleaned(texts, Cleaning(steps=["lemmatize"], language="english")).to_list() == texts.to_list()


def test_every_step_of_nltk_is_tried_here() -> None:
    assert sorted(NLTK_STEPS) == sorted([*NO_DATA, *WITH_DATA, "lemmatize"])


@pytest.mark.parametrize("step", NO_DATA)
def test_a_million_characters_and_nul(step: StepName) -> None:
    long = "a" * 1_000_000
    assert apply(f"{long}\x00 b", step).replace(" ", "") == f"{long}\x00b"


def test_stem_follows_the_language() -> None:
    assert apply("Häuser laufen", "stem", language="german") == "haus lauf"


@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("language", "before", "after"),
    [("english", "The fire is in  the hills , don't", "fire hills ,"), ("russian", "Я и лес", "лес")],
)
def test_stopwords(language: str, before: str, after: str) -> None:
    assert apply(before, "stopwords", language=language) == after


@needs_data
@pytest.mark.usefixtures("data")
def test_stop_words_of_every_language_that_nltk_has() -> None:
    languages = nltk.corpus.stopwords.fileids()
    assert len(languages) > 25
    for language in languages:
        words = [word for word in nltk.corpus.stopwords.words(language) if word.lower() == word]
        assert apply(f"{' '.join(words)} 123", "stopwords", language=language).split()[-1] == "123"
        assert apply(f"123 {words[0]}", "stopwords", language=language) == "123"


@needs_data
@pytest.mark.usefixtures("data")
def test_sentences_by_punkt() -> None:
    assert apply("It's Dr. Who. Don't go.", "tokenize_punkt") == "It 's Dr. Who . Do n't go ."


@pytest.mark.parametrize(
    ("step", "folder"),
    [
        ("stopwords", "corpora/stopwords"),
        ("tokenize_punkt", "tokenizers/punkt_tab"),
        ("lemmatize", "corpora/wordnet"),
    ],
)
def test_missing_data_names_the_places_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: StepName, folder: str
) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "here"), str(tmp_path / "there")])
    with pytest.raises(CleaningError) as caught:
        clean(pl.col("text"), Cleaning(steps=["lowercase", step], language="english"))
    message = str(caught.value)
    assert f"'{step}'" in message
    assert f"{folder} in {tmp_path / 'here'}, {tmp_path / 'there'}" in message
    assert "`python -m commands.get_corpora`" in message
    assert "NLTK_DATA" in message


def test_wordnet_that_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpora/wordnet").mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with pytest.raises(CleaningError, match=r"'lemmatize': WordNet is not whole: .*docs/cleaning\.md"):
        clean(pl.col("text"), Cleaning(steps=["lemmatize"], language="english"))


@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("step", "known"),
    [
        ("stopwords", "arabic, .*turkish"),
        ("tokenize_punkt", "it has english$"),
        ("stem", "arabic, .*swedish"),
    ],
)
def test_unknown_language_lists_those_there_are(step: StepName, known: str) -> None:
    with pytest.raises(CleaningError, match=rf"'{step}'.*'klingon'.*{known}"):
        clean(pl.col("text"), Cleaning(steps=[step], language="klingon"))


@pytest.mark.parametrize("step", ["stem_porter", "lemmatize"])
def test_steps_for_english_refuse_another_language(step: StepName) -> None:
    with pytest.raises(CleaningError, match=rf"'{step}': knows English alone, not 'german'; .* stem$"):
        clean(pl.col("text"), Cleaning(steps=[step], language="german"))


def test_a_step_that_fails_names_itself_and_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    from nltk.stem import PorterStemmer

    def fail(self: object, word: str) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr(PorterStemmer, "stem", fail)
    with pytest.raises(CleaningError) as caught:
        cleaned(pl.Series(["word"]), Cleaning(steps=["stem_porter"], language="english"))
    assert str(caught.value) == (
        "cleaning step 'stem_porter': NLTK failed on 'word': RecursionError: too deep; "
        "leave the step out, or mend that text in the source"
    )


def test_steps_without_nltk_do_not_import_it() -> None:
    code = "import stages.clean, stages.lib.encoders.served, sys; sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


@pytest.mark.slow
@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("step", ["tokenize", "tokenize_treebank", "tokenize_punkt"])
def test_words_of_plain_texts_are_tokenised_by_themselves_to_nltks_own_result(step: StepName) -> None:
    """Contractions without a mark among them, whose patterns could look beyond the word."""
    pieces = ["cannot", "gonna", "wanna", "Lemme", "gotta", "more", "n", "d", "ye", "t", "was", "DON", "x"]
    pieces += ["http", "www", "com", "XD", "p", "", " ", "   ", "     "]
    chance = random.Random(7)
    texts = [" ".join(chance.choices(pieces, k=chance.randrange(9))) for _ in range(2_000)]
    mixed = [text for plain in texts[:300] for text in (plain, f"{plain}.", f"{plain} é", f"1{plain}")]
    for some in (texts, mixed, [*mixed, None]):
        ours = cleaned(pl.Series(some, dtype=pl.String), Cleaning(steps=[step], language="english"))
        assert ours.to_list() == [text if text is None else loop_of(step)(text) for text in some]


def test_a_tokenizer_sees_the_words_of_plain_texts_once_and_other_texts_whole() -> None:
    seen: list[str] = []

    def note(text: str) -> str:
        seen.append(text)
        return text.replace("not", "no t")

    column = ["to be or not to be", "to be, or not", "be", None, "to be, or not"]
    found = pl.DataFrame({"text": column}).select(mapping.over_plain_words(pl.col("text"), note))["text"]
    assert found.to_list() == [text and text.replace("not", "no t") for text in column]
    assert sorted(sorted(text.split()) for text in seen) == [
        ["be", "not", "or", "to"],
        ["be,", "not", "or", "to"],
    ]


def test_words_are_tokenised_one_by_one_where_their_letters_do_not_come_back() -> None:
    table = pl.DataFrame({"text": ["to be or not to be", "aye", ""]})
    for change in (str.upper, lambda text: text[::-1], lambda text: text[1:]):
        found = table.select(mapping.over_plain_words(pl.col("text"), change))["text"].to_list()
        assert found == [
            " ".join(filter(None, map(change, text.split()))) or text[:0] for text in table["text"]
        ]
