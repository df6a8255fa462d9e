"""Several commands of a host at the same time."""

from collections.abc import Iterable

# A question to a stopped Docker would start it, by its socket: then there is none to be asked. The
# name is what docker(1) tells it cannot connect to.
NEVER_START_DOCKER = (
    "systemctl is-active --quiet docker.service || "
    "export DOCKER_HOST=unix:///docker.service-is-not-active"
)
"""Line of shell before every question."""

IF_DOCKER_RUNS = "systemctl is-active --quiet docker.service || exit 0; "
"""Before a question that has nothing to tell where Docker does not run."""

UTF_8_ONLY = "{ iconv -c -f UTF-8 -t UTF-8 || [ $? = 1 ]; }"
"""What answers go through: at the first byte that is no UTF-8 pyinfra ends with a traceback. iconv
exits 1 when it dropped one (glibc 2.41, Debian 13) or 0 (2.36, Debian 12)."""


def run_parallel(commands: Iterable[str], seconds: int) -> list[str]:
    """Lines of shell that run commands and wait for all. Of the command with number N they leave
    output and errors in `$directory/N.out` and the exit status in `$directory/N.status`: 124 where
    it took longer than `seconds` (timeout(1)). None of them starts Docker."""
    lines = [NEVER_START_DOCKER, "directory=$(mktemp -d)", "trap 'rm -rf $directory' EXIT"]
    for number, command in enumerate(commands):
        # `timeout` needs a program, so the shell is one; quoting is the here-document's.
        lines += [
            f"cat >$directory/{number}.sh <<'END_OF_QUESTION'",
            command,
            "END_OF_QUESTION",
            f"( timeout {seconds} sh $directory/{number}.sh >$directory/{number}.out 2>&1 "
            f"</dev/null; echo $? >$directory/{number}.status ) &",
        ]
    return [*lines, "wait"]
