"""Every command that writes, on a full disk: a file system of 8 MB with almost no room, and /dev/full where it takes a file.

    sudo python3 tools/full_disk.py

Each must end with exit code 1 and a line on stderr, and leave nothing new behind. Prints the table of docs/formats.md. Needs
the right to mount; standard library only.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

MODEL = "examples/books-4l"
DATA = "examples/agreement/dev.jsonl"


def listing(folder):
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/release/circuit")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="full-disk-"))
    disk = work / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    run, delta, applied = work / "run", work / "delta", work / "applied"

    def circuit(*arguments, stdout=subprocess.DEVNULL):
        return subprocess.run([options.binary, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE, text=True)

    short = ["--set", "tuning.steps=4", "--set", "evaluation.every=2", "--set", "data.test=", "--set", "data.untouched="]
    made = [circuit("tune", "examples/agreement/circuit.toml", *short, "--set", f"run.path={run}", "--quiet"),
            circuit("export", run, "--delta", "-o", delta, "--quiet"),
            circuit("apply", MODEL, delta, "-o", applied, "--quiet"),
            circuit("discover", MODEL, DATA, "--ablation", "zero", "--top-edges", "20", "-o", work / "c.json", "--quiet")]
    for result in made:
        if result.returncode != 0:
            raise SystemExit(result.stderr)
    (work / "choices.jsonl").write_text('{"prompt": "The", "choices": [" king", " queen"], "answer": 0}\n' * 200)
    (work / "rooms.txt").write_text("".join(f"Room {i} is far. We are in room {i}.\n" for i in range(100, 500)))
    find = ["discover", MODEL, DATA, "--ablation", "zero", "--top-edges", "20"]
    written = {
        "discover -o": [*find, "-o", disk / "c.json"],
        "discover --compact -o": [*find, "--compact", "-o", disk / "c.safetensors"],
        "discover --svg": [*find, "-o", work / "d.json", "--svg", disk / "c.svg"],
        "discover --dot": [*find, "-o", work / "d.json", "--dot", disk / "c.dot"],
        "discover --channels": [*find, "-o", work / "d.json", "--channels", disk / "c.safetensors"],
        "evaluate --page": ["evaluate", MODEL, DATA, "--ablation", "zero", "--circuit", work / "c.json", "--redundancy", "0",
                            "--page", disk / "c.html"],
        "score --out": ["score", MODEL, work / "choices.jsonl", "--out", disk / "o.jsonl"],
        "pairs make -o": ["pairs", "make", "numbers", work / "rooms.txt", "--model", MODEL, "-o", disk / "o.jsonl"],
        "pairs check -o": ["pairs", "check", MODEL, DATA, "--keep", "right", "-o", disk / "o.jsonl"],
        "import -o": ["import", "squad", work / "squad.json", "-o", disk / "o.jsonl"],
        "tune": ["tune", "examples/agreement/circuit.toml", *short, "--set", f"run.path={disk}/run"],
        "sweep": ["sweep", "examples/agreement/circuit.toml", *short, "--grid", "tuning.seed=0,1", "-o", disk / "sweep"],
        "export": ["export", run, "-o", disk / "model"],
        "export --delta": ["export", run, "--delta", "-o", disk / "delta"],
        "apply": ["apply", MODEL, delta, "-o", disk / "model"],
        "revert": ["revert", applied, delta, "-o", disk / "base"],
        "diff --svg": ["diff", f"{run}:0", f"{run}:3", "--svg", disk / "d.svg"],
        "report -o": ["report", run, "-o", disk / "r.html"],
        "analyse --out": ["analyse", run, "--only", "overlap", "--out", disk / "tables"],
    }
    paragraphs = [{"context": "It was " + "so " * 40, "qas": [{"id": str(i), "question": "What?", "answers":
                   [{"text": "so", "answer_start": 7}]}]} for i in range(300)]

    (work / "squad.json").write_text(json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    faults = 0
    try:
        print("| output | exit code | left behind | message |\n| --- | --- | --- | --- |")
        for name, command in written.items():
            for entry in disk.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            # A few bytes of room: files can be made, not filled.
            filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(filler, b"\0" * 4096)
            except OSError:
                os.close(filler)
            before = listing(disk)
            result = circuit(*command)
            after = listing(disk)
            left = sorted(set(after) - set(before))
            if name in ("tune", "sweep") and left:
                left = [f for f in left if not f.endswith(("log.txt", "sweep.json"))]
            lines = [l for l in result.stderr.splitlines() if "No space left" in l or "full" in l or "cannot write" in l]
            wrong = result.returncode != 1 or bool(left) or not lines
            faults += wrong
            said = lines[-1].replace(str(work), "").replace("|", "\\|") if lines else result.stderr.strip()[-200:]
            print(f"| `{name}` | {result.returncode} | {', '.join(left) or 'nothing'} | {said}{' **WRONG**' if wrong else ''} |")
        with open("/dev/full", "w") as full:
            for command in (["--version"], ["inspect", MODEL], ["score", MODEL, DATA, "--json"], find + ["-o", work / "e.json"],
                            ["evaluate", MODEL, DATA, "--ablation", "zero", "--circuit", work / "c.json", "--no-curve", "--json"],
                            ["diff", work / "c.json", work / "c.json"], ["query", run, "select * from steps"],
                            ["generate", MODEL, "--prompt", "The"], ["analyse", run, "--only", "overlap"],
                            ["report", run, "--table"], ["watch", run, "--once"], ["tune", "--help-config"]):
                result = circuit(*command, stdout=full)
                wrong = result.returncode != 1
                faults += wrong
                print(f"| `{command[0]}` to /dev/full | {result.returncode} | | {(result.stderr.strip().splitlines() or [''])[-1]}"
                      f"{' **WRONG**' if wrong else ''} |")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        shutil.rmtree(work)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
