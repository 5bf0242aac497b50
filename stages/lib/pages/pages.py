"""Pages from the templates in stages/templates, in which a text is only shown.

Whatever a template puts in is escaped, for HTML or for Markdown: no markup, link or picture comes out of it.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parents[2] / "templates"

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|~$:@=^])")
_AUTOLINK = re.compile(r"\bwww\.", re.IGNORECASE)  # GitHub links these by themselves
# C0 and C1 controls, and the marks that turn the writing direction of all that follows
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def html_page(template: str, content: dict[str, Any]) -> str:
    return _render(template, content, autoescape=True)


def markdown_page(template: str, content: dict[str, Any]) -> str:
    return _render(template, content, autoescape=False, finalize=lambda value: escape_markdown(str(value)))


def escape_markdown(text: str) -> str:
    """One line; what would be invisible is written as its code point."""
    line = " ".join(text.split())
    line = _MARKUP.sub(r"\\\1", line.translate(_HTML))
    line = _AUTOLINK.sub(lambda match: match[0][:-1] + r"\.", line)
    return _INVISIBLE.sub(lambda match: f"(U+{ord(match[0]):04X})", line)


def within(markdown: str, most: int) -> str:
    """All of it, or as many of its sections as fit, with a word on what is left out."""
    if len(markdown) <= most:
        return markdown
    end = markdown.rfind("\n## ", 0, most - len(LEFT_OUT))
    return f"{markdown[: max(end, 0)]}{LEFT_OUT}"


LEFT_OUT = "\n\nThe sections that follow do not fit here: they are on the page.\n"


def as_count(count: int) -> str:
    return f"{count:,}"


def as_score(score: float | None) -> str:
    if score is None:
        return "undefined"
    return f"{score:.3f}" if abs(score) < 10 else f"{score:,.4g}" if abs(score) < 1000 else f"{score:,.0f}"


def as_number(value: float | None, decimals: int) -> str:
    """A dash where there is none."""
    return "–" if value is None else f"{value:z,.{decimals}f}".replace("-", "−")


def as_signed(value: float | None, decimals: int) -> str:
    """`+0.50`, `−0.50`, and what rounds to nothing without a sign."""
    number = as_number(value, decimals)
    return f"+{number}" if value is not None and round(value, decimals) > 0 else number


def as_percent(share: float) -> str:
    """Never 100% for what is not all, never 0% for what is not nothing."""
    if 0.9995 <= share < 1:
        return ">99.9%"
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def as_p(p: float) -> str:
    """`= 0.012` or `< 0.001`, to stand behind its letter."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def as_loss(loss: float) -> str:
    return f"{loss:.2f}" if loss >= 0.1 else f"{loss:.5f}"


def _render(template: str, content: dict[str, Any], **escaping: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **escaping,
    )
    environment.filters |= {
        "count": as_count,
        "score": as_score,
        "number": as_number,
        "signed": as_signed,
        "percent": as_percent,
        "loss": as_loss,
        "p": as_p,
    }
    return environment.get_template(template).render(content)
