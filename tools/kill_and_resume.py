"""Kills a run again and again at random moments, resumes it each time, and compares it with a run that was left alone.

    python3 tools/kill_and_resume.py examples/agreement/circuit.toml --kills 100

The two must have the same checkpoints, byte for byte, and the same rows in run.db but for times. Standard library only.
"""
import argparse
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

TIMES = {"seconds"}
# Meta rows that hold paths or times.
OWN = ("config", "created", "model", "summary")


def rows_of(run):
    """Every row of every table, without columns of time."""
    database = sqlite3.connect(run / "run.db")
    tables = {}
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        names = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
        kept = [i for i, name in enumerate(names) if name not in TIMES]
        rows = [tuple(row[i] for i in kept) for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
        tables[table] = [row for row in rows if table != "meta" or row[0] not in OWN]
    return tables


def files_of(run):
    folder = run / "checkpoints"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--binary", default="build/release/circuit")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds a process lives at most before it is killed")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
    whole, killed = folder / "whole", folder / "killed"
    settings = [part for each in options.set for part in ("--set", each)]

    def start(run):
        arguments = ["tune", "--resume", str(run)] if run.exists() else [
            "tune", options.config, *settings, "--set", f"run.path={run}"]
        return subprocess.Popen([options.binary, *arguments, "--quiet", "--threads", "1"], stdout=subprocess.DEVNULL)

    if start(whole).wait() != 0:
        raise SystemExit("the run that is left alone fails")
    kills = 0
    while kills < options.kills:
        process = start(killed)
        try:
            process.wait(timeout=rng.uniform(0, options.longest))
            break  # it came to its end: no more is left to kill
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    if start(killed).wait() != 0:
        raise SystemExit("the last resume fails")
    a, b = rows_of(whole), rows_of(killed)
    different = [table for table in a if a[table] != b.get(table)]
    same_files = files_of(whole) == files_of(killed)
    print(f"{kills} kills; checkpoints {'equal' if same_files else 'DIFFER'}; tables that differ: {different or 'none'}")
    shutil.rmtree(folder)
    raise SystemExit(0 if same_files and not different and kills == options.kills else 1)


if __name__ == "__main__":
    main()
