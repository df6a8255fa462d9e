"""How many messages a second go from Postfix's queue through the API to a relay, for each handoff.

    mailfleet lab up
    .venv/bin/python bench/handoff.py [--messages 2000] [--latency 0.2]

Messages of 4 kB wait in the queue until all are there; what counts is how fast they leave it, by
Postfix's own log, and how many ms of processor time each container takes for one. The relay is
smtp-sink, Postfix's server that does nothing, on internet1; with --latency one in this process that
takes its time. The limit is LMTP to smtp-sink without any API.
"""

import argparse
import ipaddress
import json
import re
import sys
import tempfile
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.state import read_lab
from tests.lab import relay as relays
from tests.lab.console import ROOT, Operator
from tests.lab.hosts import Machine, until
from tests.lab.pipeline import Pipeline
from tests.lab.relay import Relay

# local(8) delivers two at a time where nobody says anything else.
CASES = {
    "alias, 2 at a time": ("alias", 2),
    "alias, 10": ("alias", 10),
    "pipe, 10": ("pipe", 10),
    "lmtp, 10": ("lmtp", 10),
    "lmtp, 20": ("lmtp", 20),
}
LIMIT = "limit: LMTP to a server that does nothing, 20"
_SINK_PORT, _LMTP_PORT = 2526, 2400
_TRANSPORTS = {"alias": "local", "pipe": "curl_email", "lmtp": "email_api"}
_LOG = "/var/log/mail/mail.log"
_SENT = re.compile(r"^(\S+) .* to=<\S+>.* delays=([\d./]+),.* status=sent", re.MULTILINE)
CONTAINERS = ("mailserver", "email-api", "email-api-database", "email-api-valkey-1")
_STATS = (
    "curl --silent --fail --unix-socket /var/run/docker.sock "
    "'http://docker/containers/{name}/stats?stream=false&one-shot=true'"
)
_HEAD = "| handoff | messages/s | seconds a message | mailserver | API | database | Valkey |"
_SETTINGS = """
settings["email_api_relay_host"] = "{host}"
settings["email_api_relay_port"] = {port}
settings["email_api_relay_tls"] = "none"
settings["mailserver_handoff"] = "{handoff}"
settings["mailserver_handoff_processes"] = {processes}
"""


def _inside(mx1: Machine, *lines: str) -> str:
    return mx1.run("docker exec -i mailserver bash -e <<'END'\n" + "\n".join(lines) + "\nEND")


def _switch(mx1: Machine, parameter: str) -> None:
    """Change main.cf; Postfix does not take one that is younger than two seconds."""
    touch = "touch -d '2 seconds ago' /etc/postfix/main.cf"
    _inside(mx1, f"postconf {parameter}", touch, "postfix reload 2>/dev/null")


def _used(mx1: Machine) -> list[float]:
    """Processor time (ms) that each container has taken."""
    stats = [json.loads(mx1.run(_STATS.format(name=name))) for name in CONTAINERS]
    return [one["cpu_stats"]["cpu_usage"]["total_usage"] / 1e6 for one in stats]


def measure(pipeline: Pipeline, messages: int) -> tuple[float, float, list[float]]:
    """Messages a second in the middle eight tenths, mean seconds of one delivery, and processor
    time (ms a message) of each container."""
    mx1 = pipeline.mx1
    _switch(mx1, f"defer_transports={_TRANSPORTS[pipeline.handoff]}")
    pipeline.send(range(messages))
    before, used = int(_inside(mx1, f"wc -l <{_LOG}")), _used(mx1)
    _switch(mx1, "defer_transports=")
    _inside(mx1, "postqueue -f")
    until(lambda: not _inside(mx1, "postqueue -j | head -n 1"), "an empty queue", 600)
    shares = [(after - before) / messages for before, after in zip(used, _used(mx1), strict=True)]
    found = _SENT.findall(_inside(mx1, f"tail -n +{before + 1} {_LOG}"))
    assert len(found) == messages, (len(found), messages)
    times = sorted(datetime.fromisoformat(when) for when, _ in found)
    first, last = times[messages // 10], times[messages * 9 // 10]
    seconds = fmean(float(delays.rsplit("/", 1)[1]) for _, delays in found)
    return messages * 0.8 / (last - first).total_seconds(), seconds, shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the relay takes")
    parser.add_argument("--case", choices=(*CASES, LIMIT), action="append")
    options = parser.parse_args()
    lab = read_lab()
    operator, mx1, internet1 = Operator(ROOT), Machine(lab, "mx1"), Machine(lab, "internet1")
    gateway = str(ipaddress.ip_network(f"{mx1.address}/24", strict=False)[1])
    sinks = {
        "smtp": f"smtp-sink -u nobody 0.0.0.0:{_SINK_PORT}",
        "lmtp": f"smtp-sink -u nobody -L 0.0.0.0:{_LMTP_PORT}",
    }
    for name, command in sinks.items():
        internet1.run(
            f"systemctl stop bench-{name} 2>/dev/null; "
            f"systemd-run --quiet --collect --unit bench-{name} /usr/sbin/{command} 1000"
        )
    slow = relays.running(gateway, _SINK_PORT) if options.latency else nullcontext(Relay())
    print(f"{_HEAD}\n|---|{'---:|' * 6}", flush=True)
    with tempfile.TemporaryDirectory() as directory, slow as relay:
        relay.answer_seconds = options.latency
        for name in options.case or (*CASES, LIMIT):
            handoff, processes = CASES.get(name, ("lmtp", 20))
            changes = _SETTINGS.format(
                host=gateway if options.latency else internet1.address,
                port=_SINK_PORT,
                handoff=handoff,
                processes=processes,
            )
            if name == LIMIT:
                changes += f'settings["mailserver_api_address"] = "{internet1.address}"\n'
            changed = operator.variant(Path(directory), changes)
            pipeline = Pipeline(changed, Path(directory), handoff, mx1, relay, 0)
            pipeline.deploy("mailserver")
            rate, seconds, shares = measure(pipeline, options.messages)
            parts = " | ".join(f"{share:.1f}" for share in shares)
            print(f"| {name} | {rate:.0f} | {seconds:.3f} | {parts} |", flush=True)
    for name in sinks:
        internet1.run(f"systemctl stop bench-{name}")
    operator.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()


if __name__ == "__main__":
    main()
