#!/usr/bin/env python3
"""kill_ranks.py CIRCUIT [--kills 50] [--seed 0]: three ranks tune together; one of them is killed (or, now and then, stopped) at a
random moment. The others must end within the timeout with exit code 1 and its name, and the job that goes on, with one to four ranks, must
leave what a job leaves that nobody disturbed. Prints one line a kill and a count; exit code 1 where one was wrong."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 5  # CIRCUIT_RANKS_TIMEOUT
STEPS = 8


def start(circuit, work, arguments, count, job):
    ranks = []
    for rank in range(count):
        env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(count), "CIRCUIT_RENDEZVOUS": str(work / f"meet-{job}"),
               "CIRCUIT_RANKS_TIMEOUT": str(TIMEOUT), "OMP_WAIT_POLICY": "passive", "CIRCUIT_KERNELS": "1"}
        ranks.append(subprocess.Popen([circuit, *arguments, "--threads", "1", "--quiet"], cwd=ROOT, env=env, text=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    return ranks


def tune(run):
    settings = {"run.path": run, "tuning.steps": STEPS, "evaluation.every": 1, "evaluation.keep": "all", "tuning.batch": 2,
                "tuning.accumulation": 4, "discovery.every": 2, "data.untouched": "", "data.test": "", "data.dev": "",
                "evaluation.files": ""}
    arguments = ["tune", "examples/agreement/circuit.toml"]
    for key, value in settings.items():
        if value != "" or key.startswith("data."):
            arguments += ["--set", f"{key}={value}"]
    return arguments


def bytes_of(run):
    folder = Path(run) / "checkpoints"
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def finish(ranks):
    return [(rank.communicate()[1], rank.returncode) for rank in ranks]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("circuit")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    circuit = os.path.realpath(o.circuit)
    draw = random.Random(o.seed)
    work = Path(tempfile.mkdtemp(prefix="kill-ranks-"))
    wrong, early, late = 0, 0, 0
    try:
        begin = time.monotonic()
        for text, code in finish(start(circuit, work, tune(work / "whole"), 3, "whole")):
            assert code == 0, text
        length = time.monotonic() - begin
        expected = bytes_of(work / "whole")
        for k in range(o.kills):
            run = work / f"run-{k}"
            ranks = start(circuit, work, tune(run), 3, k)
            lost, how = draw.randrange(3), signal.SIGSTOP if draw.random() < 0.2 else signal.SIGKILL
            time.sleep(draw.uniform(0, length))
            moment = time.monotonic()
            ended = [rank.poll() is not None for rank in ranks]
            ranks[lost].send_signal(how)
            others = [rank for r, rank in enumerate(ranks) if r != lost]
            results = finish(others)
            waited = time.monotonic() - moment
            ranks[lost].kill()
            ranks[lost].communicate()
            faults = []
            named = [f"rank {lost} of 3" in text or f"ranks {lost}" in text for text, _ in results]
            if all(code == 0 for _, code in results) or all(ended):
                late += 1
            elif not all(code == 1 for _, code in results) or not all(named):
                faults.append(f"others said: {results}")
            if waited > TIMEOUT + 8:
                faults.append(f"others waited {waited:.1f} s")
            shutil.rmtree(work / f"meet-{k}", ignore_errors=True)
            again = ["tune", "--resume", str(run)] if run.exists() else tune(run)
            early += not run.exists()
            if bytes_of(run) != expected:
                for text, code in finish(start(circuit, work, again, draw.choice([1, 2, 3, 4]), f"{k}-again")):
                    if code != 0:
                        faults.append(f"going on: {text}")
            if bytes_of(run) != expected:
                faults.append("not the checkpoints of a run that nobody disturbed")
            wrong += bool(faults)
            print(f"{k + 1:3} {how.name} rank {lost} after {moment - begin:.1f} s, others ended {waited:.1f} s later: {'; '.join(faults) or 'right'}",
                  flush=True)
            begin = time.monotonic()
            shutil.rmtree(run, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"kills: {o.kills}, of which {early} before there was a run and {late} behind its end; wrong: {wrong}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
