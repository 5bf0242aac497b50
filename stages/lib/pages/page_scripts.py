"""Scripts that stand in a page itself: those of libraries, as their wheels bring them, and our own.

A page names the SHA-256 of each in its policy, so a browser runs these and nothing else: no text can become
a script, whatever it holds.
"""

import base64
import hashlib
import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

from stages.lib.exceptions import DataError
from stages.lib.pages.pages import TEMPLATES

BOKEH = ("bokeh", "bokeh-gl", "bokeh-api")
# how an ES module hands on what it has: `export{Tt as jQuery,Go as ITable};`
EXPORT = re.compile(r"\bexport\{[^}]*\b([\w$]+) as jQuery\b[^}]*\};")


class Script(NamedTuple):
    kind: str  # of the element: module, or text/javascript
    text: str

    @property
    def source(self) -> str:
        """As a Content-Security-Policy names it."""
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def bokeh_scripts() -> list[Script]:
    folder = folder_of("bokeh") / "server/static/js"
    return [Script("text/javascript", in_a_page(read(folder / f"{name}.min.js"))) for name in BOKEH]


def table_script(*ours: str) -> Script:
    """DataTables with its jQuery, as itables bundles them, and our own files of templates behind it.

    One module, since a page without network has nothing to import from.
    """
    path = folder_of("itables") / "html/dt_bundle.js"
    bundle, exported = EXPORT.subn(r"const jQuery = \1;", read(path))
    if exported != 1:
        raise DataError(f"{path}: no `export{{... as jQuery}}` in it; is this itables of requirements.lock?")
    return Script(
        "module", "\n".join(in_a_page(text) for text in (bundle, *(read(TEMPLATES / name) for name in ours)))
    )


def in_a_page(script: str) -> str:
    """What would end the element, or begin a comment, is written as JavaScript's own escape."""
    return script.replace("<!--", r"\x3c!--").replace("</script", r"\x3c/script")


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)  # which runs nothing of the package
    if spec is None or spec.origin is None:
        raise DataError(
            f"{package}: not installed, and the page of errors needs it; `make set-up` installs it"
        )
    return Path(spec.origin).parent


def read(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: not there; reinstall the package, in the version of requirements.lock")
    return path.read_text(encoding="utf-8")
