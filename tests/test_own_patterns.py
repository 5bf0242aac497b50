"""A pattern of the user's own as a cleaning step: what it replaces, and how a wrong one is refused."""

import json
from pathlib import Path

import polars as pl
import pytest
from dvc.utils.hydra import apply_overrides

from stages.clean import Params
from stages.lib.cleaning.cleaning import cleaned
from stages.lib.cleaning.steps import Cleaning, Replacement, read_cleaning, write_cleaning
from stages.lib.exceptions import ConfigError
from stages.lib.params import load_params


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replaced(text: str, pattern: str, replacement: str) -> str:
    cleaning = Cleaning(steps=[Replacement(pattern=pattern, replacement=replacement)], language="english")
    result: str = cleaned(pl.Series([text]), cleaning).item()
    return result


def write_params(*steps: str) -> None:
    Path("params.yaml").write_text(
        "clean:\n  language: english\n  steps:\n" + "".join(f"  {line}\n" for line in steps), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("text", "pattern", "replacement", "after"),
    [
        ("aab", "a", "x", "xxb"),
        ("2024-05", r"(\d+)-(\d+)", "$2/$1", "05/2024"),
        ("2024-05", r"(?<year>\d+)-(?<month>\d+)", "$month.$<year>y $1", "05.2024y 2024"),
        ("5 dollars", r"(\d+) dollars", "$$$1", "$5"),
        ("5 dollars", r"(\d+) dollars", "$<1>0 $0", "50 5 dollars"),
        ("costs $5", r"\$\d", "$$$$", "costs $$"),
        ("今天 天气", r"\p{Han}+", "<$0>", "<今天> <天气>"),
        ("ab\ncd", "(?m)^", "> ", "> ab\n> cd"),
        ("a(b)", r"(a)|(z)", "[$2]", "[](b)"),
        ("a.b", r"[.]", "", "ab"),
    ],
)
def test_replacements(text: str, pattern: str, replacement: str, after: str) -> None:
    assert replaced(text, pattern, replacement) == after


def test_it_is_a_step_among_others_and_survives_its_file(folder: Path) -> None:
    write_params("- lowercase", r"- pattern: '#(\w+)'", "  replacement: 'tag $1'", "- whitespace")
    params = load_params("clean", Params)
    cleaning = Cleaning(steps=params.steps, language=params.language)
    assert cleaned(pl.Series(["  #FIRE  now", None, ""]), cleaning).to_list() == ["tag fire now", None, ""]
    write_cleaning(cleaning, folder / "cleaning.json")
    assert read_cleaning(folder / "cleaning.json") == cleaning
    assert json.loads((folder / "cleaning.json").read_text())["steps"][1] == {
        "pattern": r"#(\w+)",
        "replacement": "tag $1",
    }


def test_dvc_exp_run_rewrites_it_as_it_was() -> None:
    write_params("- html", r"- pattern: '(?<n>\d+)\$ \\ " "'", "  replacement: '$n $<n>0 $$ \"'")
    before = load_params("clean", Params)
    apply_overrides("params.yaml", ["clean.language=german"])
    after = load_params("clean", Params)
    assert (after.language, after.steps) == ("german", before.steps)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?<=#)\w+", ["look-around", "linear", "\n    (?<=#)\\w+\n    ^^^^"]),
        (r"(?=a)", ["look-around", "put it back with $1"]),
        (r"(a)\1", ["backreferences are not supported", "list the cases", "\n       ^^"]),
        ("a(b", ["unclosed group", "\n    a(b\n     ^"]),
        ("[a-", ["unclosed character class"]),
        (r"\p{Klingon}", ["Unicode property not found"]),
        (r"\i", ["unrecognized escape"]),
        ("(?<n>a)(?<n>b)", ["duplicate capture group name"]),
        ("x{1000000}", ["size limit"]),
        ("a${2}", ["holds '${'", "[$]{2}"]),
    ],
)
def test_a_pattern_that_does_not_compile_has_its_place(pattern: str, said: list[str]) -> None:
    write_params("- html", f"- pattern: '{pattern}'", "  replacement: ''")
    with pytest.raises(ConfigError) as caught:
        load_params("clean", Params)
    message = str(caught.value)
    assert message.startswith("params.yaml:5: clean.steps.1.pattern: found ")
    assert [part for part in said if part not in message] == []


@pytest.mark.parametrize(
    ("replacement", "said"),
    [
        ("$2", "no group '2'; known here: $0, $1, $word"),
        ("$wrod", "no group 'wrod'"),
        ("$<wrod>", "no group 'wrod'"),
        ("$1a", "no group '1a'; known here: $0, $1, $word. Where text follows a group's name write $<name>"),
        ("5 $", "the $ at character 3 names no group; a dollar is $$"),
        ("$ 5", "the $ at character 1 names no group"),
        ("${word}", "`dvc exp run -S` fails, as it reads ${...} as its own; write $<name>"),
    ],
)
def test_a_replacement_that_names_no_group_is_refused(replacement: str, said: str) -> None:
    write_params("- html", r"- pattern: '(?<word>\w+)'", f"  replacement: '{replacement}'")
    with pytest.raises(ConfigError) as caught:
        load_params("clean", Params)
    assert str(caught.value).startswith("params.yaml:6: clean.steps.1.replacement: found ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["- patern: a", "  replacement: b"],
            ["params.yaml:4: clean.steps.0.patern: unknown key", "0.pattern"],
        ),
        (["- pattern: a"], ["params.yaml:4: clean.steps.0.replacement: missing"]),
        (["- pattern: 1", "  replacement: b"], ["params.yaml:4: clean.steps.0.pattern: found 1"]),
        (["- html", "- 3"], ["params.yaml:5: clean.steps.1: found 3; should be one of"]),
        (
            ["- html", "- lowercas"],
            ["params.yaml:5: clean.steps.1: found 'lowercas'; did you mean"],
        ),
        (["- html:"], ["params.yaml:4: clean.steps.0.html: unknown key"]),
    ],
)
def test_a_step_that_is_neither_is_refused_at_its_line(lines: list[str], said: list[str]) -> None:
    write_params(*lines)
    with pytest.raises(ConfigError) as caught:
        load_params("clean", Params)
    assert [part for part in said if part not in str(caught.value)] == []
