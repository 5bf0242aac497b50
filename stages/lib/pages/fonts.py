"""A font for Chinese, Japanese and Korean words in PNGs, which matplotlib's own lacks.

Noto Sans CJK TC Regular 1.004 (SIL Open Font License 1.1), from a package on PyPI: never the machine's own
fonts, since a picture must be the same bytes everywhere. It is opened only where a word needs it.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from stages.lib.digests import sha256
from stages.lib.exceptions import DataError

PACKAGE, FILE = "cvttf_NotoSansCJK_Regular", "NotoSansCJKtc-Regular.otf"
SHA256 = "f57e46120a3dd025ac993801981849622405d1359b32093b1f046490f7885711"
FAMILY = "Noto Sans CJK TC"
# radicals to Yi's neighbours: kana, bopomofo, ideographs; Hangul; compatibility, full-width; planes 2 and 3
CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff]"
)


def use_cjk_font(figure: Figure) -> None:
    """Let the figure's words that need it fall back on the font. Raises DataError where it is not to be had.

    Letters that matplotlib's own font has stay in that.
    """
    words = [text for text in figure.findobj(Text) if isinstance(text, Text) and CJK.search(text.get_text())]
    for text in words:
        text.set_fontfamily([*text.get_fontfamily(), cjk_family()])


@cache
def cjk_family() -> str:
    """The font's name, once matplotlib knows it."""
    spec = importlib.util.find_spec(PACKAGE)  # which runs nothing of the package
    path = Path(spec.origin).parent / FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DataError(
            f"{PACKAGE}: not installed, and a plot names a class in Chinese, Japanese or Korean; "
            "`make set-up` installs it"
        )
    if (found := sha256(path)) != SHA256:
        raise DataError(f"{path}: SHA-256 is {found}, expected {SHA256}; reinstall {PACKAGE}")
    fontManager.addfont(path)
    return FAMILY
