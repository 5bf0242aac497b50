import unicodedata
from collections import Counter

import pytest

from stages.lib.behaviour.changes import CHANGES, ChangeName

EVERY = list(CHANGES)
NUMBERS = [0, 1, 12345678901234567890, 2**64 - 1]
LINKED = "Fire at https://t.co/AbC and www.News.org says @BBCNews &amp; <B>us</B>"

TEXTS = [
    "a",
    "Fire!",
    LINKED,
    "火灾发生在镇上。",
    "حريق كبير في المدينة",
    "👩‍👩‍👧 🔥🔥",
    "e\u0301te\u0301",
    "नमस्ते दुनिया",
    "x" * 100_000,
]
UNSWAPPABLE = [
    "火灾发生在镇上了",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "안녕하세요",
    "ひらがなです",
    "12345 67890",
    "aaaa",
    "cat dog",
    "👩‍👩‍👧‍👦",
    "@somebody https://example.org/long",
]


def changed(name: str, text: str, number: int = 7) -> str | None:
    return CHANGES[name](text, number)  # type: ignore[index]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_an_empty_text_has_nothing_to_change(name: ChangeName, text: str) -> None:
    assert changed(name, text) is None


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text)[:12])
def test_a_change_changes_the_text_or_says_so_and_always_in_the_same_way(
    name: ChangeName, text: str, number: int
) -> None:
    after = changed(name, text, number)
    assert after is None or (after != text and after.strip())
    assert changed(name, text, number) == after


@pytest.mark.parametrize("name", EVERY)
def test_links_mentions_entities_and_tags_stand_as_they_did(name: ChangeName) -> None:
    for number in range(200):
        after = changed(name, LINKED, number)
        if after is not None:
            kept = ("https://t.co/AbC", "www.News.org", "@BBCNews", "&amp;", "<B>", "</B>")
            assert [word for word in kept if word not in after] == []


def test_case_is_of_all_letters() -> None:
    assert changed("lower_case", "FIRE in Zürich") == "fire in zürich"
    assert changed("upper_case", "fire in Straße") == "FIRE IN STRASSE"
    shouted = changed("upper_case", LINKED)
    assert shouted == "FIRE AT https://t.co/AbC AND www.News.org SAYS @BBCNews &amp; <B>US</B>"
    assert changed("lower_case", "fire") is None
    assert changed("upper_case", "火 123 حريق") is None


def test_a_typing_error_swaps_two_neighbours_within_one_word_after_its_first_letter() -> None:
    found = {changed("typing_errors", "a bridge of 2024", number << 40) for number in range(20)}
    assert found == {"a birdge of 2024", "a brdige of 2024", "a brigde of 2024", "a brideg of 2024"}


def test_a_longer_text_has_two_typing_errors() -> None:
    words = ["alpha", "bravo", "delta", "gamma", "omega", "sigma", "theta", "kappa", "lambda", "zebra"]
    for number in NUMBERS:
        after = changed("typing_errors", " ".join(words), number)
        assert after is not None
        pairs = list(zip(words, after.split(), strict=True))
        assert sum(old != new for old, new in pairs) == 2
        assert all(Counter(old) == Counter(new) and old[0] == new[0] for old, new in pairs)


@pytest.mark.parametrize("text", UNSWAPPABLE)
def test_where_no_two_letters_can_be_swapped_there_is_no_typing_error(text: str) -> None:
    assert {changed("typing_errors", text, number) for number in NUMBERS} == {None}


@pytest.mark.parametrize("text", ["bonté et santé, préféré", "حَرِيق كَبير فِي المدينة", "пожар в городе"])
def test_a_typing_error_leaves_every_mark_on_its_letter(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    for number in range(300):
        after = changed("typing_errors", decomposed, number * 2**37)
        if after is not None:
            assert graphemes(after) == graphemes(decomposed)


def graphemes(text: str) -> Counter[str]:
    found: list[str] = []
    for character in text:
        if unicodedata.combining(character) and found:
            found[-1] += character
        else:
            found.append(character)
    return Counter(found)


def test_the_full_stop_at_the_end_goes_or_comes() -> None:
    assert changed("punctuation", "fire in town.") == "fire in town"
    assert changed("punctuation", "fire in town... \n") == "fire in town \n"
    assert changed("punctuation", "fire in town") == "fire in town."
    assert changed("punctuation", "火灾") == "火灾。"
    assert changed("punctuation", "火灾。") == "火灾"
    links = ("see https://t.co/AbC", "by @somebody", "a &amp;")
    for other in ("fire?", "fire!", "fire 🔥", "(fire)", "...", *links):
        assert changed("punctuation", other) is None


def test_a_link_comes_at_the_end_and_a_mention_in_front() -> None:
    link, mention = changed("added_link", "fire"), changed("added_mention", "fire")
    assert link is not None
    assert mention is not None
    assert (link[:18], len(link)) == ("fire https://t.co/", 28)
    assert (mention[0], mention[7:]) == ("@", " fire")
    assert changed("added_link", "fire", 8) != link


def test_white_space_alone_differs() -> None:
    for number in NUMBERS:
        after = changed("white_space", "we saw a fire", number)
        assert after is not None
        assert after.split() == ["we", "saw", "a", "fire"]
        assert after.endswith("fire  ")
        assert ("\n" in after, after.rstrip().count("  ")) == (True, 1)
    assert changed("white_space", "火灾") == "火灾  "
