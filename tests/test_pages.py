import pytest

from stages.lib.pages.pages import as_loss, as_number, as_percent, as_score, as_signed, escape_markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;"),
        ("[x](javascript:alert(1))", r"\[x\]\(javascript\:alert\(1\)\)"),
        ("![x](http://a/b.png)", r"\!\[x\]\(http\://a/b.png\)"),
        ("www.example.org and a@b.org", r"www\.example.org and a\@b.org"),
        ("one | two", r"one \| two"),
        (r"ends in \| so", r"ends in \\\| so"),
        ("`code` *bold* _so_ ~~no~~", r"\`code\` \*bold\* \_so\_ \~\~no\~\~"),
        ("# no heading\n- no list", r"\# no heading \- no list"),
        ("&lt; stays", r"&amp;lt; stays"),
        ("plain, with 1.5 and 'quotes'.", "plain, with 1.5 and 'quotes'."),
        ("$x^2$ :smile:", r"\$x\^2\$ \:smile\:"),
        ("‮drow", r"\(U\+202E\)drow".replace("\\", "")),
        ("nul\x00 bell\x07", "nul(U+0000) bell(U+0007)"),
        ("日本語 עברית", "日本語 עברית"),
    ],
)
def test_a_text_in_markdown_is_only_shown(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1, "100.0%"), (0.99999, ">99.9%"), (0.5, "50.0%"), (0.0001, "<0.1%"), (0, "0.0%")],
)
def test_a_percentage_never_rounds_to_all_or_nothing(share: float, shown: str) -> None:
    assert as_percent(share) == shown


def test_small_losses_keep_their_digits() -> None:
    assert (as_loss(3.14159), as_loss(0.00042)) == ("3.14", "0.00042")


def test_an_undefined_score_says_so() -> None:
    assert (as_score(None), as_score(0.5)) == ("undefined", "0.500")


def test_scores_in_large_units_have_no_idle_digits() -> None:
    assert (as_score(-0.1234), as_score(12.3456), as_score(123456.7)) == ("-0.123", "12.35", "123,457")


@pytest.mark.parametrize(
    ("value", "number", "signed"),
    [
        (0.5, "0.50", "+0.50"),
        (-0.5, "−0.50", "−0.50"),
        (-0.004, "0.00", "0.00"),
        (0.004, "0.00", "0.00"),
        (1234.5, "1,234.50", "+1,234.50"),
        (None, "–", "–"),
    ],
)
def test_numbers_have_their_decimals_and_nothing_has_no_sign(
    value: float | None, number: str, signed: str
) -> None:
    assert (as_number(value, 2), as_signed(value, 2)) == (number, signed)
