"""What stands for the content of files, tables and code: equal where that is equal."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*parts: Any) -> str:
    """16 hexadecimal digits of JSON values, Arrow tables, and folders by their files' content."""
    import pyarrow as pa  # not for those that only ask for sha256

    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pa.Table):
            for batch in part.to_batches():
                digest.update(batch.serialize())
        elif isinstance(part, Path):
            files = sorted(file for file in part.rglob("*") if file.is_file())
            digest.update(json.dumps({str(file.relative_to(part)): sha256(file) for file in files}).encode())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def code_digest() -> str:
    """Of all modules of the project's stages that this process has loaded."""
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.split(".")[0] == "stages" and file:
            digest.update(name.encode() + Path(file).read_bytes())
    return digest.hexdigest()
