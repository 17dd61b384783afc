"""
What a release must pass: ``tox -e release``, or ``tox -e release -- --help``.

Builds the source distribution and the wheel, the wheel twice and byte for byte the
same; checks their descriptions and what is in them; installs the wheel from wheels
alone in a fresh environment and does there what the front page promises; and tests
the source distribution as if it were a clone. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "realtime_sync"
WITH_IT = ("README.rst", "CHANGES.rst", "LICENSE", "tox.ini", "tests", "docs")
"""What the source distribution has beside the package, so that it can be tested."""
TESTS = ("tests/protocol", "tests/state", "tests/test_exports.py")
"""Tests that are run in the unpacked source distribution."""
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".tox", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache"
)


def main() -> None:
    """Run every step; the first that fails ends it."""
    options = arguments()
    os.environ["SOURCE_DATE_EPOCH"] = epoch()
    os.umask(0o022)  # Modes of files are in the wheel.
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sdist = built("sdist", copied(work / "clone"), work / "sdist")
        wheel = twice_the_same(sdist, work)
        run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
        check_contents(sdist, wheel)
        for number, python in enumerate(options.python):
            smoke(python, wheel, work / f"env{number}")
        run(
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(options.tests or TESTS),
            cwd=unpacked(sdist, work / "tested"),
        )
        for path in (sdist, wheel):
            kept = Path(shutil.copy(path, options.out))
            say(f"{digest(kept)}  {kept} ({kept.stat().st_size:,} bytes)")
    say("what the checklist names beside this: docs/project/releasing.rst")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--python",
        action="append",
        help="interpreter to install the wheel with, repeatable (default: this one)",
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="folder (default: dist)"
    )
    parser.add_argument("tests", nargs="*", help=f"default: {' '.join(TESTS)}")
    options = parser.parse_args()
    options.python = options.python or [sys.executable]
    return options


def epoch() -> str:
    """Time that files in the wheel get: that of the last commit."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    found = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True
    )
    # No clone but a source distribution: its newest file that a release changes.
    changes = int((ROOT / "CHANGES.rst").stat().st_mtime)
    return found.stdout.strip() or str(changes)


def copied(folder: Path) -> Path:
    """Copy the tree: a build leaves files behind, and finds those of the last one."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    return folder


def built(kind: str, source: Path, folder: Path) -> Path:
    """Build a distribution, in an environment that has what the build asks for."""
    command = (sys.executable, "-m", "build", f"--{kind}")
    run(*command, "--outdir", str(folder), str(source), quiet=True)
    (found,) = folder.iterdir()
    return found


def twice_the_same(sdist: Path, work: Path) -> Path:
    """
    Build the wheel from the source distribution, in two places and at two times.

    Raises:
        SystemExit: they differ.
    """
    first = built("wheel", unpacked(sdist, work / "first"), work / "wheel")
    time.sleep(2.1)  # The clock of a zip file moves by two seconds.
    second = built("wheel", unpacked(sdist, work / "second"), work / "again")
    if digest(first) != digest(second):
        sys.exit(f"{first.name} is not reproducible: {differences(first, second)}")
    say(f"{first.name} came out the same twice")
    return first


def differences(first: Path, second: Path) -> str:
    """Name the members of two wheels that differ."""
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        facts = [
            {m.filename: (m.CRC, m.date_time, m.external_attr) for m in w.infolist()}
            for w in (one, other)
        ]
    names = sorted(facts[0].keys() | facts[1].keys())
    return ", ".join(n for n in names if facts[0].get(n) != facts[1].get(n))


def unpacked(sdist: Path, folder: Path) -> Path:
    """Unpack a source distribution; its one folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    (inner,) = folder.iterdir()
    return inner


def check_contents(sdist: Path, wheel: Path) -> None:
    """
    Compare what is in both with what is in the tree.

    Raises:
        SystemExit: something is missing, or something strange is there.
    """
    source = ROOT / PACKAGE
    files = [path for path in source.rglob("*") if path.is_file()]
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    if names != ours:
        sys.exit(f"the wheel and the tree differ: {sorted(names ^ ours)}")
    with tarfile.open(sdist) as archive:
        inner = {name.partition("/")[2] for name in archive.getnames()}
    lost = sorted({*WITH_IT, *ours} - inner)
    if lost:
        sys.exit(f"the source distribution lacks {lost}")


def smoke(python: str, wheel: Path, folder: Path) -> None:
    """Install from wheels alone, and do what the front page promises."""
    run(python, "-m", "venv", str(folder))
    inner = folder / ("Scripts" if os.name == "nt" else "bin")
    base = size(folder)
    began = time.monotonic()
    pip = (str(inner / "python"), "-m", "pip", "install", "--quiet")
    run(*pip, "--only-binary", ":all:", f"{wheel}[demo]")
    took = time.monotonic() - began
    say(f"{python}: [demo] in {took:.0f} s, {(size(folder) - base) >> 20} MiB")
    command = str(inner / "realtime-sync")
    run(command, "--version", cwd=folder)
    run(command, "ask", "--local", "What is the capital of Peru?", cwd=folder)
    run(command, "demo", cwd=folder)
    for name in ("answer.wav", "report.html", "session.jsonl"):
        if not (folder / "realtime-demo" / name).stat().st_size:
            sys.exit(f"the demo has left an empty {name}")


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if not p.is_symlink())


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*command: str, cwd: Path | None = None, quiet: bool = False) -> None:
    """Run a command away from the tree; its failure is ours."""
    say(f"$ {' '.join(command)}")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONPATH")}
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command, cwd=cwd, env=clean, stdout=output, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout or ''}\nfailed with exit code {done.returncode}")


def say(line: str) -> None:
    """Print a line at once: what runs next prints its own."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
