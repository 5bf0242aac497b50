"""stages.lib.stage as a user meets it: through `python -m`, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import ROOT

PROBE = """
import errno
from stages.lib.exceptions import DataError
from stages.lib.stage import InPath, OutPath, run

def main(*, table: InPath, metrics: OutPath) -> None:
    {body}

if __name__ == "__main__":
    run(main)
"""


def probe(
    folder: Path, body: str, *options: str, module: str = "stages.probe"
) -> subprocess.CompletedProcess[str]:
    """Run a stage whose main has that body, in a project of its own that has our lib."""
    (folder / "stages").mkdir(exist_ok=True)
    (folder / "stages/__init__.py").write_text(f"__path__.append({str(ROOT / 'stages')!r})")
    (folder / f"{module.replace('.', '/')}.py").write_text(PROBE.format(body=body))
    return subprocess.run(
        [sys.executable, "-m", module, *(options or ("--table", "in.csv", "--metrics", "out.json"))],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def times(folder: Path) -> list[dict[str, object]]:
    log = folder / ".textrail/timings.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_paths_are_options_and_the_time_goes_to_the_log(tmp_path: Path) -> None:
    result = probe(tmp_path, "print(f'probe: {table} to {metrics}')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "probe: in.csv to out.json\n", "")
    (entry,) = times(tmp_path)
    assert entry["stage"] == "probe"
    assert isinstance(entry["seconds"], float)
    assert 0 < entry["seconds"] < 60


def test_every_run_adds_a_line_to_the_log(tmp_path: Path) -> None:
    for _ in range(2):
        probe(tmp_path, "pass")
    assert len(times(tmp_path)) == 2


def test_what_is_no_stage_leaves_the_log_alone(tmp_path: Path) -> None:
    assert probe(tmp_path, "pass", module="probe").returncode == 0
    assert not times(tmp_path)


def test_an_expected_failure_is_a_message_and_no_traceback(tmp_path: Path) -> None:
    result = probe(tmp_path, "raise DataError('no rows in a.csv\\nno rows in b.csv')")
    assert result.returncode == 1
    assert result.stderr == "probe: no rows in a.csv\nprobe: no rows in b.csv\n"
    assert not times(tmp_path)


def test_a_full_disk_is_a_message(tmp_path: Path) -> None:
    result = probe(tmp_path, "raise OSError(errno.ENOSPC, 'No space left on device', 'data/tokens.arrow')")
    assert result.returncode == 1
    assert result.stderr.startswith("probe: data/tokens.arrow: the disk is full; free some space")


def test_so_is_one_that_a_library_tells_in_words_alone(tmp_path: Path) -> None:
    result = probe(tmp_path, "raise OSError('No space left on device (os error 28)')")
    assert result.returncode == 1
    assert result.stderr.endswith(": the disk is full; free some space and run `dvc repro` again\n")
    assert "Traceback" not in result.stderr


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    result = probe(tmp_path, "{}['absent']")
    assert result.returncode == 1
    assert "KeyError: 'absent'" in result.stderr
    assert "probe.py" in result.stderr


def test_other_system_errors_are_bugs_too(tmp_path: Path) -> None:
    result = probe(tmp_path, "open('absent.csv')")
    assert result.returncode == 1
    assert "FileNotFoundError" in result.stderr


def test_a_missing_option_is_named(tmp_path: Path) -> None:
    result = probe(tmp_path, "pass", "--table", "in.csv")
    assert result.returncode == 2
    assert "--metrics" in result.stderr
    assert not times(tmp_path)


def test_a_log_that_cannot_be_written_stops_no_stage(tmp_path: Path) -> None:
    (tmp_path / ".textrail").write_text("a file where the folder should be")
    assert probe(tmp_path, "print('done')").returncode == 0


def test_a_full_disk_is_said_of_the_place_that_is_written_to(tmp_path: Path) -> None:
    body = "raise OSError(errno.ENOSPC, 'No space left on device', 'in.csv', None, 'data/copy.csv')"
    result = probe(tmp_path, body)
    assert (
        result.stderr == "probe: data/copy.csv: the disk is full; free some space and run `dvc repro` again\n"
    )
    command = probe(tmp_path, body, module="probe")
    assert command.stderr == "probe: data/copy.csv: the disk is full; free some space and run this again\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("EROFS", "the disk is read-only; make it writable and run"),
        ("EACCES", "you may not read or write this; change its permissions"),
        ("EDQUOT", "your share of the disk is used up; free some space and run"),
    ],
)
def test_a_place_that_may_not_be_written_is_a_message(tmp_path: Path, number: str, message: str) -> None:
    result = probe(tmp_path, f"raise OSError(errno.{number}, 'no', 'data/tokens.arrow')")
    assert result.returncode == 1
    assert result.stderr.startswith(f"probe: data/tokens.arrow: {message}")
