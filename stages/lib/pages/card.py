"""The model's card as a page: its Markdown rendered, with no markup of its own let through."""

import itertools
import re
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def card_parts(card: str) -> tuple[str, str]:
    """The Hub's metadata, as it is written, and the Markdown below it."""
    found = FRONT_MATTER.match(card)
    return (found[1], card[found.end() :]) if found else ("", card)


def rendered(markdown: str, title: str, folder: str) -> Markup:
    """HTML, in which tags are only shown, links run no script (markdown-it's validateLink), no picture is.

    A first heading that is the title is left out. Links to files beside the card lead to `folder`, as the
    page sees it; links to headings are as GitHub has them.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    reader.add_render_rule("table_open", lambda *of: OPEN)
    reader.add_render_rule("table_close", lambda *of: "</table></div>\n")
    for name in ("fence", "code_block"):
        reader.add_render_rule(name, _code)
    tokens = reader.parse(markdown)
    if len(tokens) > 1 and tokens[0].tag == "h1" and _text_of(tokens[1]) == title:
        tokens = tokens[3:]  # the page has it at its top
    below = 1 if any(token.tag == "h1" for token in tokens) else 0  # the page has a title of its own
    for token, behind in itertools.zip_longest(tokens, tokens[1:]):
        if token.type == "heading_open" and behind is not None:
            token.attrSet("id", f"card-{_anchor(_text_of(behind))}")
        _mend(token, folder, below)
    return Markup(reader.renderer.render(tokens, reader.options, {}))


OPEN = '<div class="scroll" role="group" tabindex="0" aria-label="table"><table class="counts">'
CODE = '<pre role="group" tabindex="0" aria-label="code"><code>'


def _code(self: RendererHTML, tokens: list[Token], place: int, *of: Any) -> str:
    """As ever, but the keyboard can scroll it."""
    return f"{CODE}{escape(tokens[place].content)}</code></pre>\n"


def _mend(token: Token, folder: str, below: int) -> None:
    if token.tag in ("h1", "h2", "h3", "h4", "h5"):
        token.tag = f"h{int(token.tag[1]) + below}"
    for child in token.children or []:
        target = str(child.attrGet("href") or "")
        if target.startswith("#"):
            child.attrSet("href", f"#card-{target[1:]}")
        elif target and not urlsplit(target).scheme and not target.startswith("//"):
            child.attrSet("href", f"{folder}/{target}")


def _text_of(token: Token) -> str:
    return "".join(child.content for child in token.children or [])


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
