"""Kills sweep, export and apply at random moments and looks at what is left: the whole result, or nothing of it.

    python3 tools/kill_outputs.py --kills 150

A sweep that was killed is started again and must end with the same table as one that was left alone; export and apply
leave the folder complete or no folder, and, run again, the same bytes. Standard library only. tools/kill_and_resume.py
does the same for tune.
"""
import argparse
import csv
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

SHORT = ["--set", "tuning.steps=40", "--set", "evaluation.every=10", "--set", "data.test=", "--set", "data.untouched="]


class Trial:
    def __init__(self, options):
        self.binary = options.binary
        self.config = options.config
        self.rng = random.Random(options.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kill-outputs-"))
        self.faults = []

    def run(self, *arguments, seconds=None):
        """The exit code; None: killed after `seconds`."""
        process = subprocess.Popen([self.binary, *map(str, arguments), "--quiet", "--threads", "1"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return None
        if process.returncode != 0:
            self.faults.append(f"{' '.join(map(str, arguments))}: exit {process.returncode}: {errors.strip()}")
        return process.returncode

    def took(self, *arguments):
        start = time.monotonic()
        self.run(*arguments)
        return time.monotonic() - start


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table_of(folder):
    """sweep.csv without times."""
    with open(folder / "sweep.csv", newline="") as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]


def kill_folder_command(trial, name, arguments, kills):
    """A command that writes one folder: kills at moments of its usual life."""
    whole, target = trial.folder / f"{name}-whole", trial.folder / f"{name}-killed"
    seconds = trial.took(*arguments, "-o", whole)
    expected = bytes_of(whole)
    done = 0
    while done < kills:
        if trial.run(*arguments, "-o", target, seconds=trial.rng.uniform(0, 1.05 * seconds)) is None:
            done += 1
        if target.exists():
            if bytes_of(target) != expected:
                trial.faults.append(f"{name}: half a folder after kill {done}")
            shutil.rmtree(target)
        for rest in trial.folder.glob(f"{name}-killed.*"):
            shutil.rmtree(rest)  # what a killed process was still writing, under a name that says so
    return done


def kill_sweep(trial, kills):
    arguments = ["sweep", trial.config, "--grid", "selection.n=100,300", "--grid", "tuning.seed=0,1", *SHORT]
    whole = trial.folder / "sweep-whole"
    seconds = trial.took(*arguments, "-o", whole)
    expected = table_of(whole)
    done = 0
    while done < kills:
        target = trial.folder / "sweep-killed"
        while trial.run(*arguments, "-o", target, seconds=trial.rng.uniform(0.2, 0.4 * seconds)) is None:
            done += 1
        if table_of(target) != expected:
            trial.faults.append(f"sweep: another table after {done} kills")
        shutil.rmtree(target)
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="examples/agreement/circuit.toml")
    parser.add_argument("--binary", default="build/release/circuit")
    parser.add_argument("--kills", type=int, default=150, help="in all: a third each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    trial = Trial(options)
    run, delta = trial.folder / "run", trial.folder / "delta"
    trial.run("tune", options.config, *SHORT, "--set", f"run.path={run}")
    trial.run("export", run, "--delta", "-o", delta)
    each = options.kills // 3
    counts = {"sweep": kill_sweep(trial, each),
              "export": kill_folder_command(trial, "export", ["export", run], each),
              "apply": kill_folder_command(trial, "apply", ["apply", "examples/books-4l", delta], each)}
    print("; ".join(f"{name}: {count} kills" for name, count in counts.items()))
    print("\n".join(trial.faults) if trial.faults else "every result whole or not there; sweeps end with the same table")
    shutil.rmtree(trial.folder)
    raise SystemExit(1 if trial.faults else 0)


if __name__ == "__main__":
    main()
