"""Record what an operator types on a deployed lab (`make demo`) as docs/images/session.cast, an
asciicast v2, and render it as session.svg. The commands only read.

python docs/record.py
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from termtosvg.main import main as termtosvg
from termtosvg.term import record

COMMANDS = (
    "pyinfra inventories/lab.py deploys/postal.py --dry",
    "mailfleet drift inventories/lab.py",
    "mailfleet health inventories/lab.py --role postal --quick",
)
COLUMNS, LINES = 124, 32
CAST = Path(__file__).parent / "images" / "session.cast"
KEY_SECONDS = 0.04
READ_SECONDS = 3.0
"""How long a viewer needs for an output; a longer wait for a command is shortened to it."""
FAILED = "recording failed: "


def main() -> None:
    if sys.argv[1:] == ["play"]:
        play()
        return
    # A terminal that nobody types in: the end of standard input would end the session.
    _, nobody = os.openpty()
    arguments = [sys.executable, __file__, "play"]
    with Path(os.devnull).open("w") as hidden:
        records = list(record(arguments, COLUMNS, LINES, nobody, hidden.fileno()))
    lines = [item.to_json_line() for item in records]
    if FAILED in "".join(lines):
        sys.exit("a command failed: deploy the lab as `make demo` does, then run it by hand")
    CAST.write_text("\n".join(lines) + "\n")
    pause = str(int(READ_SECONDS * 1000))
    options = ["--template", "window_frame", "--min-frame-duration", "50"]
    options += ["--max-frame-duration", pause, "--loop-delay", pause]
    termtosvg(["termtosvg", "render", str(CAST), str(CAST.with_suffix(".svg")), *options])


def play() -> None:
    for command in COMMANDS:
        print("$ ", end="", flush=True)
        for character in command:
            time.sleep(KEY_SECONDS)
            print(character, end="", flush=True)
        print(flush=True)
        program, *arguments = shlex.split(command)
        status = subprocess.run([f".venv/bin/{program}", *arguments], check=False).returncode
        if status:
            sys.exit(f"{FAILED}{command}: exit status {status}")
        time.sleep(READ_SECONDS)


main()
