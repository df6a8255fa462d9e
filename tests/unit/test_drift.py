"""How answers of hosts are judged, and what becomes of findings."""

import json
import os
import re
import shlex
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mailfleet.agent import evaluate as judges
from mailfleet.checks import served_certificates as certificates
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.access import bundle as access_bundle
from mailfleet.components.access import drift as access
from mailfleet.components.base import drift as host
from mailfleet.components.email_api import bundle as component
from mailfleet.components.email_api import drift as email_api
from mailfleet.components.email_api.aliases import digest
from mailfleet.converge.bundle import Bundle, File, Project, StateCheck, Unit
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.converge.diff import contents_of
from mailfleet.converge.file_diff import unified
from mailfleet.converge.manifest import with_manifest
from mailfleet.converge.observe import Container, Desired, Observation, parse
from mailfleet.converge.observe import Path as Path_
from mailfleet.converge.session import RunAbortedError
from mailfleet.deploying.start import scope_of
from mailfleet.drift import evaluate
from mailfleet.drift.bundle import differences
from mailfleet.drift.compare import _EVERYTHING, Comparison
from mailfleet.drift.evaluate import as_bundle
from mailfleet.drift.finding import REPORT, Finding, HostReport, Kind, Report
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.ports import ANYWHERE, LOOPBACK
from mailfleet.report.drift_page import page
from mailfleet.secrets import MASK, Secret
from mailfleet.templates import ROOT
from tests.certificates import certificate
from tests.unit.conftest import Write


def _finding(**changes: str) -> Finding:
    values = {"name": "/etc/a", "desired": "b", "observed": "c", "remedy": "d"} | changes
    return Finding("one", "base", Kind.FILE, **values)


def _report(*hosts: HostReport) -> Report:
    return Report("inventories/prod.py", "2026-01-01T00:00:00+00:00", hosts)


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ([HostReport("one")], 0),
        ([HostReport("one", (_finding(),)), HostReport("two")], 2),
        ([HostReport("one", (_finding(),)), HostReport("two", error="cannot log in")], 2),
        ([HostReport("one"), HostReport("two", error="cannot log in")], 3),
    ],
)
def test_exit_code(hosts: list[HostReport], code: int) -> None:
    assert _report(*hosts).exit_code == code


def test_the_page_escapes_what_hosts_say() -> None:
    text = page(_report(HostReport("one", (_finding(observed="<script>alert(1)</script>"),))))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_report_is_read_back_as_it_was_written() -> None:
    report = _report(HostReport("one", (_finding(),)), HostReport("two", error="cannot log in"))
    assert REPORT.validate_json(REPORT.dump_json(report)) == report


def test_the_published_schema_is_that_of_the_reports() -> None:
    published = Path(__file__).parents[2] / "docs/reference/drift.schema.json"
    schema = json.loads(published.read_text())
    assert schema["properties"]["version"]["const"] == 1
    finding = schema["$defs"]["Finding"]
    assert set(finding["required"]) <= set(
        json.loads(REPORT.dump_json(_report(HostReport("one", (_finding(),)))))["hosts"][0][
            "findings"
        ][0]
    )
    assert set(schema["$defs"]["Kind"]["enum"]) == {kind.value for kind in Kind}


@pytest.mark.parametrize(("verbose", "read"), [(False, ["/x", "/y"]), (True, ["/y"])])
def test_secret_files_are_not_read_where_pyinfra_prints_what_it_reads(
    verbose: bool, read: list[str]
) -> None:
    class _Host:
        state = SimpleNamespace(print_fact_output=verbose)

        def get_fact(self, fact: object, paths: list[str]) -> dict[str, bytes]:
            return dict.fromkeys(paths, b"")

    files = [File("/x", b"", secret=True), File("/y", b"")]
    assert list(contents_of(_Host(), files)) == read  # type: ignore[arg-type]


def test_diff_of_a_secret_file_shows_only_keys() -> None:
    wanted = File("/x", b"a:\n  password: new\nBODY\n", secret=True)
    shown = unified(wanted, b"a:\n  password: by-hand\nOTHER=\n")
    assert "-  password: ********" in shown
    assert "+  password: ********" in shown
    text = "\n".join(shown)
    assert not any(secret in text for secret in ("new", "by-hand", "BODY", "OTHER"))


def test_a_look_without_an_answer_is_unknown_not_well() -> None:
    look = DriftCheck("base", "clock", ("false",), judges.clock)
    (name, command) = as_bundle([look, replace(look, name="another")]).facts.popitem()
    assert "answered" in command
    (found,) = evaluate.differences(
        look, Observation(facts={f"drift/{name}": ("no such command",)})
    )
    assert (found.kind, found.observed) == (Kind.UNKNOWN, "no such command")


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("echo W: half a list >&2; echo held curl", ["held back"]),
        ("echo held curl; echo E: no list >&2; exit 1", ["E: no list"]),
        ("echo held curl; exit 1", ["nothing"]),
        ("exit 1", ["nothing"]),
    ],
)
def test_a_complaint_is_told_only_in_place_of_an_answer(command: str, seen: list[str]) -> None:
    """By a real shell: apt complains of a list that is just being replaced, and still answers."""
    look = DriftCheck("base", "updates", (command,), judges.updates)
    script = Desired((as_bundle([look]),)).script
    output = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    found = evaluate.differences(look, parse(output.stdout.splitlines()))
    assert [difference.observed for difference in found] == seen


def test_an_answer_that_nobody_expected_hides_no_other() -> None:
    look = DriftCheck("base", "updates", ("true",), judges.updates)
    (name,) = [name for name in as_bundle([look]).facts if name != "who"]
    lines = ("held curl", "what?", "answered")
    (found,) = evaluate.differences(look, Observation(facts={f"drift/{name}": lines}))
    assert (found.kind, found.name) == (Kind.UNKNOWN, "updates")
    assert found.observed.startswith("ValueError: ")


def _told(*names: str, left_days: float, life_days: float = 90) -> list[str]:
    """What the host's openssl says of a certificate."""
    pem = certificate(*names, left_days=left_days, life_days=life_days)
    (command,) = certificates.served_certificates("caddy", "caddy", 443, "", [names[0]]).commands
    reads = re.search(r"\| (openssl x509 .+) 2>/dev/null\)", command)
    assert reads
    done = subprocess.run(reads[1].split(), input=pem, capture_output=True, check=True)
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize(
    ("left", "life", "names", "seen"),
    [
        (10.01, 90, ["a.test"], "ends in 10.0 days"),
        (10.01, 3650, ["a.test"], "ends in 10.0 days"),
        # Caddy renews it when two days are left.
        (1.9, 6, ["a.test"], None),
        (0.81, 6, ["a.test"], "ends in 0.8 days"),
        (-1, 90, ["a.test"], "expired"),
        (60, 90, ["b.test", "*.a.test"], "for another name"),
        (60, 90, ["b.test", "A.test"], None),
        (60, 90, ["*.test"], None),
    ],
)
def test_certificates(left: float, life: float, names: list[str], seen: str | None) -> None:
    of_a, of_c = _told(*names, left_days=left, life_days=life), _told("c.test", left_days=60)
    lines = ["name a.test", *of_a, "name c.test", *of_c]
    found = list(judges.certificates(["a.test", "c.test"], lines))
    assert [(it.name, it.seen) for it in found] == ([("a.test", seen)] if seen else [])


def test_a_certificate_that_nobody_serves() -> None:
    """By a real shell, from a port that nobody listens on."""
    look = certificates.served_certificates("caddy", "caddy", 9, "", ["a.test", "b.test"])
    done = subprocess.run(["sh", "-c", *look.commands], capture_output=True, text=True, check=True)
    found = {it.name: it.seen for it in look.evaluate(look.desired, done.stdout.splitlines())}
    assert found == {"a.test": "none is served", "b.test": "none is served"}


def test_a_listener_that_says_nothing_keeps_no_other_question_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(certificates, "_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        look = replace(
            certificates.served_certificates("caddy", "caddy", port, "", ["a.test"]), needs=""
        )
        script = Desired((as_bundle([look]),)).script
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    (found,) = evaluate.differences(look, parse(done.stdout.splitlines()))
    assert (found.kind, found.name) == (Kind.UNKNOWN, f"certificates on port {port}")


def test_a_host_with_a_thousand_sites_can_be_asked(fleet_from: Write) -> None:
    """One argument of a program has 128 KiB at most (execve(2)), and sshd gives the shell one."""
    names = [f"click.customer{number}.example.com" for number in range(1000)]
    fleet = fleet_from(f"postal_track_domains = {names!r}\n")
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    comparison = Comparison.of(masked, masked.hosts["postal1"], [_EVERYTHING])
    sent = f"sh -c {shlex.quote(comparison.desired.script)}"
    assert names[-1] in sent
    subprocess.run(["sh", "-c", f"exit 0\n{sent}"], check=True)


_TRACKING = "0AD50502,10.0.0.1,9,1795266347.19,{offset},0,0,-24,0,0,0,0,64.1,{leap}"


@pytest.mark.parametrize(
    ("running", "offset", "leap", "seen"),
    [
        (900, "-0.000006", "Normal", None),
        (900, "2.5", "Normal", "off by +2.500 s"),
        (900, "0.0", "Not synchronised", "not synchronised"),
        (20, "0.0", "Not synchronised", None),
    ],
)
def test_clock(running: int, offset: str, leap: str, seen: str | None) -> None:
    line = f"{running},{_TRACKING.format(offset=offset, leap=leap)}"
    assert [found.seen for found in judges.clock(None, [line])] == ([seen] if seen else [])


@pytest.mark.parametrize(
    ("active", "chronyc", "seen"),
    [
        (True, f"echo {_TRACKING.format(offset='2.5', leap='Normal')}", ["off by +2.500 s"]),
        (True, "echo 506 Cannot talk to daemon; exit 1", ["506 Cannot talk to daemon"]),
        (False, "echo 506 Cannot talk to daemon; exit 1", []),
    ],
)
def test_a_clock_that_cannot_be_asked_is_not_right(
    tmp_path: Path, active: bool, chronyc: str, seen: list[str]
) -> None:
    """By a real shell; both programs stand for those of a host."""
    systemctl = f"case $1 in is-active) {str(active).lower()} ;; *) echo 5 ;; esac"
    for name, script in {"chronyc": chronyc, "systemctl": systemctl}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    look = DriftCheck("base", "clock", (host._CLOCK,), judges.clock)
    done = subprocess.run(
        ["sh", "-c", Desired((as_bundle([look]),)).script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = evaluate.differences(look, parse(done.stdout.splitlines()))
    assert [one.observed for one in found] == seen


def test_a_timer_that_never_fires_again() -> None:
    lines = ["Id=a.timer", "SubState=elapsed", "DropInPaths=", "", "Id=b.timer", "SubState=waiting"]
    (found,) = judges.overrides_and_timers([], [f"unit|{line}" for line in lines])
    assert (found.kind, found.name) == ("timer", "a.timer")


def test_ports_are_compared_with_protocol_and_address() -> None:
    uses = [["tcp", 22, ANYWHERE], ["tcp", 9090, LOOPBACK]]
    lines = [
        'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))',
        'tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=1,fd=4))',
        'tcp LISTEN 0 128 127.0.0.1:3000 0.0.0.0:* users:(("web",pid=1,fd=3))',
        "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*",
        'udp UNCONN 0 0 0.0.0.0:22 0.0.0.0:* users:(("other",pid=1,fd=3))',
        'tcp LISTEN 0 128 *:9090 *:* users:(("worker",pid=1,fd=3))',
    ]
    found = {it.name: (it.wanted, it.seen) for it in judges.ports(uses, lines)}
    assert found == {
        "22/udp": ("nothing listens", "other listens on 0.0.0.0"),
        "9090/tcp": ("listens on 127.0.0.1 only", "worker listens on *"),
    }


def test_who_asks_a_name_server_listens_to_nobody(
    fleet_from: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a real shell: the resolver of Postal's processes has a random port for a moment."""
    programs = {
        "ss": f"""cat <<'END'
udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* users:(("dhclient",pid=1,fd=3))
udp UNCONN 0 0 0.0.0.0:51820 0.0.0.0:*
tcp LISTEN 0 128 0.0.0.0:4444 0.0.0.0:* users:(("nc",pid=1,fd=3))
END
[ -e {tmp_path}/later ] ||
    echo 'udp UNCONN 0 0 0.0.0.0:53124 0.0.0.0:* users:(("ruby",pid=1,fd=3))'""",
        "sleep": f"touch {tmp_path}/later",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    fleet = fleet_from()
    there = fleet.hosts["postal1"]
    bundles = {"access": access_bundle.bundle(fleet, there)}
    look = next(item for item in access.drift(fleet, there, bundles) if item.name == "ports")
    done = subprocess.run(["sh", "-c", *look.commands], capture_output=True, text=True, check=True)
    found = [it.name for it in look.evaluate(look.desired, done.stdout.splitlines())]
    assert found == ["4444/tcp", "51820/udp"]


def test_variables_are_compared_by_value() -> None:
    wanted = {"log_bin": "binlog", "skip_name_resolve": "ON", "innodb_log_file_size": "140M"}
    said = {"log_bin": "ON", "skip_name_resolve": "ON", "innodb_log_file_size": "146800640"}
    same = ["version 11.8", *(f"variable\t{name}\t{value}" for name, value in said.items())]
    assert not list(judges.variables(wanted, ["version 11", *same]))
    (found,) = judges.variables(wanted, ["version 11", *same, "variable\tlog_bin\tOFF"])
    assert (found.name, found.seen) == ("log_bin", "OFF")


def test_an_old_restart_is_no_drift() -> None:
    row = "container|/caddy|caddy|caddy|False|3|{}|true|sha256:a|caddy:2"
    now = "now|1767225600"  # 2026-01-01T00:00:00Z
    wanted = {"projects": {"caddy": ("caddy",)}, "others": ()}
    assert not list(judges.containers(wanted, [now, row.format("2025-12-30T00:00:00.1Z")]))
    (found,) = judges.containers(wanted, [now, row.format("2025-12-31T23:00:00.1Z")])
    assert found.kind == "restarts"


def test_a_console_is_no_stranger() -> None:
    row = "container|/x|postal|runner|{}|0|2026-01-01T00:00:00Z|true|sha256:a|postal:3"
    wanted = {"projects": {"postal": ("web",)}, "others": ()}
    assert not list(judges.containers(wanted, [row.format("True")]))
    assert [it.kind for it in judges.containers(wanted, [row.format("False")])] == ["orphan"]


def test_other_projects_and_containers_are_left_alone() -> None:
    """Apps that send through the fleet may run on its hosts."""
    row = "container|/{}|{}|{}|False|3|2026-01-01T00:00:00Z|true|sha256:a|app:1"
    lines = [
        row.format("crm-web-1", "crm", "web"),
        row.format("cadvisor", "", ""),
        row.format("postal-old-1", "postal", "old"),
    ]
    wanted = {"projects": {"postal": ("web",)}, "others": ("crm", "cadvisor")}
    assert [it.name for it in judges.containers(wanted, lines)] == ["postal-old-1"]
    strangers = judges.containers(wanted | {"others": ()}, lines)
    assert [it.name for it in strangers] == ["crm-web-1", "cadvisor", "postal-old-1"]


def test_an_engine_without_pools_of_its_own_names_none() -> None:
    """Such as one that runs since before its daemon.json was written."""
    info = {
        "LoggingDriver": "json-file",
        "LiveRestoreEnabled": True,
        "RegistryConfig": {"Mirrors": None},
    }
    described = {"live-restore": True, "default-address-pools": [{"base": "a", "size": 24}]}
    (found,) = judges.daemon(described, [json.dumps(info)])
    assert (found.name, found.seen) == ("default-address-pools", "[]")


def test_sshd_in_force() -> None:
    settings = ["# Keys only.", "PermitRootLogin prohibit-password", "MaxAuthTries 4"]
    assert not list(judges.sshd(settings, ["permitrootlogin without-password", "maxauthtries 4"]))
    (found,) = judges.sshd(settings, ["permitrootlogin yes", "maxauthtries 4"])
    assert (found.name, found.wanted, found.seen) == ("PermitRootLogin", "prohibit-password", "yes")


_API = """
email_api = [("api1", {"host_fqdn": "api1.example.com", "host_public_ipv4": "192.0.2.30"})]
"""


@pytest.mark.parametrize(
    ("described", "password", "kinds"),
    [
        (True, MASK, []),
        (False, MASK, [Kind.ALIAS]),
        (True, "another", [Kind.GRANT]),
        (True, None, [Kind.UNKNOWN]),
    ],
)
def test_what_the_email_api_has_in_force(
    fleet_from: Write, described: bool, password: str | None, kinds: list[Kind]
) -> None:
    fleet = fleet_from(
        inventory=_API,
        email_api='email_api_aliases = {"a@in.example.com": ["me@example.org"]}\n'
        'email_api_relay_host = "relay.example.net"\nemail_api_srs_domain = "example.com"\n',
    )
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    has = {"a@in.example.com": ["me@example.org" if described else "eve@example.org"]}
    host = masked.hosts["api1"]
    bundle = component.bundle(masked, host)
    asked = list(email_api.drift(masked, host, {"email_api": bundle}))
    # The look by which a password is told stays here.
    assert [look.secret for look in asked] == [False, True]
    told = told_password(native_password_hash(Secret(password))) if password else ""
    answers = [(digest(has), "answered"), (told, "answered" if told else "")]
    facts = {
        f"drift/{name}": answer
        for look, answer in zip(asked, answers, strict=True)
        for name in set(as_bundle([look]).facts) - {"who"}
    }
    containers = tuple(
        Container("email-api", name, "", "running", "Up (healthy)") for name in ("api", "database")
    )
    seen = Observation(containers=containers, facts=facts)
    assert [one.kind for look in asked for one in evaluate.differences(look, seen)] == kinds
    assert not [one for look in asked for one in evaluate.differences(look, Observation())]


def test_parameters_of_postfix_in_force() -> None:
    described = ["# Written by mailfleet.", "queue_run_delay = 30s", "transport_maps =  a,  b"]
    same = ["compatibility_level = 3.9", "transport_maps = a, b", "queue_run_delay = 30s"]
    assert not list(judges.postfix(described, same))
    found = [(it.name, it.wanted, it.seen) for it in judges.postfix(described, same[:2])]
    assert found == [("queue_run_delay", "30s", "unset")]


def test_a_service_that_has_not_read_its_files() -> None:
    """Of what one question tells, each takes its own: a unit since when it is in its state,
    a project since its oldest container started, both unless a deploy made them follow later."""
    row = "container|/web|postal|web|False|0|2026-01-01T00:00:{:02}Z|true|sha256:a|postal:3"
    start = 1767225600  # 2026-01-01T00:00:00Z
    lines = [
        f"file|{start + 30}|/etc/a",
        f"file|{start}|/etc/b",
        "unit|Id=a.service",
        f"unit|StateChangeTimestamp=@{start + 10}",
        "unit|",
        "unit|Id=b.service",
        f"unit|StateChangeTimestamp=@{start + 40}",
        row.format(50),
        row.format(5),
    ]
    record = "/var/lib/mailfleet/applied/base/a.service"
    unit = {
        "name": "a.service",
        "record": record,
        "files": ["/etc/a", "/etc/b"],
        "remedy": "reload it",
        "is_project": False,
    }
    (found,) = judges.older(unit, lines)
    assert (found.name, found.wanted) == ("a.service", "started after /etc/a was last written")
    assert not list(judges.older(unit, [*lines, f"record|{start + 31}|{record}"]))
    assert not list(judges.older(unit | {"name": "b.service"}, lines))
    assert not list(judges.older(unit | {"name": "absent.service"}, lines))
    project = unit | {"name": "postal", "is_project": True}
    assert [it.name for it in judges.older(project, lines)] == ["postal"]


def test_a_reboot_is_told_with_its_reason() -> None:
    (found,) = judges.reboot(None, ["kernel 6.1 runs, 6.12 is installed"])
    assert "6.12" in found.seen


@pytest.mark.parametrize(
    ("running", "installed", "seen"),
    [
        ("6.1.0-9-amd64", "6.1.0-28-amd64", "6.1.0-9-amd64 runs, 6.1.0-28-amd64 is installed"),
        ("6.8.0-45-generic", "6.8.0-9-generic", ""),
        ("6.12.48+deb13-amd64", "6.12.57+deb13-amd64", "6.12.57+deb13-amd64 is installed"),
        ("6.12.48+deb13-amd64", "6.12.48+deb13-cloud-amd64", ""),
        ("6.12.48+deb13-cloud-amd64", "6.12.57+deb13-amd64", ""),
    ],
)
def test_a_newer_kernel_is_one_of_the_same_flavour(
    tmp_path: Path, running: str, installed: str, seen: str
) -> None:
    """By a real shell, on a directory that stands for /boot."""
    for version in (running, installed):
        (tmp_path / f"vmlinuz-{version}").touch()
    script = host._REBOOT.replace("/boot", str(tmp_path)).replace("$(uname -r)", running)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    told = " ".join(one.seen for one in judges.reboot(None, done.stdout.splitlines()))
    assert seen in told
    assert bool(seen) is bool(told)


def test_logins_and_keys_that_nobody_described() -> None:
    described = {"root": ["ssh-ed25519 AAAAanna anna"], "bob": ["ssh-rsa AAAAbob bob"]}
    lines = [
        "user root",
        'key root command="true one" ssh-ed25519 AAAAanna another comment',
        "key root ssh-ed25519 AAAAeve eve",
        'key root command="sh # \\" ssh-ed25519 AAAAanna " ssh-ed25519 AAAAoscar oscar',
        "user mallory",
    ]
    found = {(it.kind, it.name, it.wanted, it.seen) for it in judges.logins(described, lines)}
    assert found == {
        ("login", "mallory", "no login", "has a login shell"),
        ("login", "bob", "can log in", "cannot"),
        ("key", "root", "no such key", "ssh-ed25519 ...AAAAeve eve"),
        ("key", "root", "no such key", "ssh-ed25519 ...AAAAoscar oscar"),
    }


def test_every_line_is_a_key_but_comments_and_blank_ones(tmp_path: Path) -> None:
    """By a real shell, of the accounts of a file that stands for /etc/passwd."""
    (tmp_path / ".ssh").mkdir()
    keys = tmp_path / ".ssh/authorized_keys"
    keys.write_text("# one\n  # two\n\n \t\r\n  ssh-ed25519 AAAAanna anna")
    passwd = tmp_path / "passwd"
    passwd.write_text(
        f"root:x:0:0::{tmp_path}:/bin/sh\nweb:x:1:1::/:/usr/sbin/nologin\nbob:x:2:2::/none:\n"
    )
    command = access._LOGINS.replace("/etc/passwd", str(passwd))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines == ["user root", "key root   ssh-ed25519 AAAAanna anna", "user bob"]
    described = {"root": ["ssh-ed25519 AAAAanna anna"], "bob": []}
    assert not list(judges.logins(described, lines))


def test_what_a_link_leads_to_is_no_content_of_the_file(fleet_from: Write) -> None:
    fleet = fleet_from()
    bundle = Bundle("base", files=(File("/etc/a", b"new"), File("/etc/b", b"new")))
    comparison = Comparison(fleet.hosts["postal1"], {"base": bundle}, (), frozenset())
    applied = {"base/a": ""}
    seen = {
        "/etc/a": Path_("symbolic link", 0o777, 0, 0, "that of /etc/shadow"),
        "/etc/b": Path_("regular file", 0o644, 0, 0, "other"),
    }
    found = [
        Finding.of("postal1", "base", one)
        for one in differences(bundle, Observation(paths=seen, applied=applied))
    ]
    assert [one.name for one in found] == ["/etc/a", "/etc/b"]
    assert comparison.differing_files(found) == [bundle.file("/etc/b")]


def test_what_a_host_does_not_tell_is_unknown_not_absent() -> None:
    compose = File("/opt/demo/compose.yaml", b"services: {}\n")
    bundle = Bundle(
        "demo",
        packages=("curl",),
        files=(compose,),
        conditions=(StateCheck("swap", "cat /proc/swaps", "enough", "swapon --all"),),
        units=(Unit("a.service", is_effective="echo yes"),),
        project=Project("demo", "/opt/demo", ("web",)),
    )
    paths = {compose.path: Path_("regular file", 0o644, 0, 0, compose.sha256)}
    feeds = bundle.service_inputs
    applied = {f"demo/{name}": bundle.fingerprint(depends_on) for name, depends_on in feeds.items()}
    active = {"LoadState": "loaded", "ActiveState": "active"}
    active |= {"UnitFileState": "enabled", "NeedDaemonReload": "no"}
    answered = {"docker.service": active, "a.service": active}
    for units, unanswered in (
        ({}, {"packages", "units", "demo/swap"}),
        (answered, {"packages", "containers", "demo/swap", "demo/a.service"}),
    ):
        seen = Observation(paths, applied=applied, units=units, unanswered=frozenset(unanswered))
        found = list(differences(bundle, seen))
        assert {one.kind for one in found} == {Kind.UNKNOWN}
        assert {one.name for one in found} == {name.removeprefix("demo/") for name in unanswered}
        assert all(one.remedy for one in found)


def test_a_deploy_tells_what_it_goes_through() -> None:
    scope = scope_of(str(ROOT / "deploys/postal.py"))
    assert {"base", "postal"} <= scope.components
    assert "mailserver" not in scope.components


@pytest.mark.parametrize("content", ["", "1 / 0", "from mailfleet.nowhere import plan"])
def test_a_file_that_plans_nothing_is_refused(tmp_path: Path, content: str) -> None:
    deploy = tmp_path / "mine.py"
    deploy.write_text(content)
    with pytest.raises(RunAbortedError, match=r"mine\.py: .*plan\(\)"):
        scope_of(str(deploy))


@pytest.mark.parametrize("name", ["drift", "dns", "health"])
def test_a_deploy_without_a_plan_is_called_so(name: str) -> None:
    with pytest.raises(RunAbortedError, match=r"calls no plan\(\): name a deploy such as"):
        scope_of(str(ROOT / f"deploys/{name}.py"))


def test_the_list_of_what_is_described_is_no_second_finding(fleet_from: Write) -> None:
    fleet = fleet_from()
    bundle = with_manifest(Bundle("base", files=(File("/etc/a", b"new"),)))
    (_, manifest) = bundle.files
    directory = Path_("directory", 0o700, 0, 0)
    seen = {
        "/etc/a": Path_("regular file", 0o644, 0, 0, "other"),
        manifest.path: Path_("regular file", 0o600, 0, 0, "other"),
        "/etc/mailfleet/described": directory,
    }
    look = DriftCheck("base", "reboot", ("true",), judges.reboot)
    comparison = Comparison(fleet.hosts["postal1"], {"base": bundle}, (look,), frozenset({"base"}))
    (asked,) = set(as_bundle([look]).facts) - {"who"}
    answer = {f"drift/{asked}": ("answered",)}
    found = comparison.findings(Observation(paths=seen, facts=answer))
    assert [it.name for it in found] == ["/etc/a"]
    seen["/etc/a"] = Path_("regular file", 0o644, 0, 0, bundle.file("/etc/a").sha256)
    found = comparison.findings(Observation(paths=seen, facts=answer))
    assert [it.name for it in found] == [manifest.path]
    answer = {f"drift/{asked}": ("a kernel", "answered")}
    found = comparison.findings(Observation(paths=seen, facts=answer))
    assert [it.name for it in found] == [manifest.path, "reboot"]
