"""The plan of a host: what was seen, compared with what is wanted."""

import hashlib

from mailfleet.components.access import bundle as access
from mailfleet.components.access.bundle import _source_matches
from mailfleet.components.postal.operations import orphaned_databases
from mailfleet.converge.bundle import Bundle, Check, Directory, File, Project, Unit
from mailfleet.converge.database import native_password_hash
from mailfleet.converge.observe import Desired, Observation, Path, parse
from mailfleet.converge.plan import file_changes, stale_services
from mailfleet.converge.services import steps_of
from mailfleet.fleet.ports import PortUse
from mailfleet.secrets import Secret
from tests.unit.conftest import Write

FILE = File("/opt/demo/etc/demo.conf", b"answer = 42\n", mode=0o640, gid=999)
UNIT = Unit("demo.service", depends_on=(FILE.path,))
BUNDLE = Bundle(
    "demo",
    directories=(Directory("/opt/demo/etc", owned=True),),
    files=(FILE,),
    checks=(Check((FILE.path,), "true", "demo"),),
    units=(UNIT,),
)
PATHS = {
    FILE.path: Path("regular file", 0o640, 0, 999, FILE.sha256),
    "/opt/demo/etc": Path("directory", 0o755, 0, 0),
}
RUNNING = {
    "demo.service": {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
}
CONVERGED = Observation(
    paths=PATHS,
    owned=frozenset({FILE.path}),
    units=RUNNING,
    applied={"demo/demo.service": BUNDLE.fingerprint([FILE.path])},
)


def _seen(**changes: object) -> Observation:
    return Observation(**{**vars(CONVERGED), **changes})  # type: ignore[arg-type]


def test_a_converged_host_has_nothing_pending() -> None:
    assert not file_changes(BUNDLE, CONVERGED)
    assert steps_of(BUNDLE, CONVERGED) == []


def test_content_mode_owner_and_kind_of_a_file_matter() -> None:
    for wrong in (
        Path("regular file", 0o640, 0, 999, hashlib.sha256(b"other").hexdigest()),
        Path("regular file", 0o644, 0, 999, FILE.sha256),
        Path("regular file", 0o640, 0, 0, FILE.sha256),
        Path("symbolic link", 0o640, 0, 999, FILE.sha256),
    ):
        changes = file_changes(BUNDLE, _seen(paths={**PATHS, FILE.path: wrong}))
        assert changes.files == (FILE,)


def test_an_unknown_file_in_an_owned_directory_is_removed() -> None:
    stray = "/opt/demo/etc/old.conf"
    assert file_changes(BUNDLE, _seen(owned={FILE.path, stray})).extra == (stray,)


def test_a_service_is_stale_until_it_was_applied_with_these_files() -> None:
    assert stale_services(BUNDLE, _seen(applied={})) == {"demo.service"}
    wrong = Path("regular file", 0o644, 0, 999, FILE.sha256)
    assert stale_services(BUNDLE, _seen(paths={**PATHS, FILE.path: wrong})) == {"demo.service"}


def test_a_container_of_another_configuration_recreates_the_project() -> None:
    compose = File("/opt/demo/compose.yaml", b"services: {}\n")
    bundle = Bundle("demo", files=(compose,), project=Project("demo", "/opt/demo", ("web",)))
    wanted = Desired((bundle,))
    assert "com.docker.compose.project" in wanted.script
    lines = [
        "##containers",
        "demo|web|hash1|running|Up 2 hours (healthy)",
        "##paths",
        "regular file|644|0|0|/opt/demo/compose.yaml",
        "##hashes",
        f"{compose.sha256}  /opt/demo/compose.yaml",
        "##applied",
        f"./demo/demo:{bundle.fingerprint([compose.path])}",
        f"./demo/demo.mounts:{bundle.fingerprint([])}",
        "./demo/demo@web:hash1",
    ]
    assert steps_of(bundle, parse(lines)) == []
    for change in (
        ("hash1", "hash2"),
        ("running", "exited"),
        ("(healthy)", "(unhealthy)"),
        ("demo|web", "demo|stray"),
    ):
        assert steps_of(bundle, parse([lines[0], lines[1].replace(*change), *lines[2:]]))


def test_output_of_the_observation_is_parsed() -> None:
    seen = parse(
        [
            "##paths",
            "regular empty file|644|0|0|/etc/a file|odd",
            "##hashes",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /etc/a file|odd",
            "##packages",
            "installed curl",
            "config-files chrony",
            "##units",
            "Id=ssh.service",
            "ActiveState=active",
            "",
            "Id=none.service",
            "ActiveState=inactive",
            "##fact demo/name",
            "one",
            "two",
        ]
    )
    assert seen.paths["/etc/a file|odd"].kind == "regular file"
    assert seen.packages == {"curl"}
    assert seen.units["none.service"]["ActiveState"] == "inactive"
    assert seen.fact("demo", "name") == "one\ntwo"


def test_mysql_native_password_is_stored_as_mariadb_stores_it() -> None:
    # SELECT PASSWORD('mariadb') in the MariaDB manual.
    stored = native_password_hash(Secret("mariadb"))
    assert stored == "*54958E764CE10E50764C2EECBB71D01F08549980"


def test_message_databases_without_a_server_are_found(fleet_from: Write) -> None:
    fleet = fleet_from()
    names = ["postal", "postal-server-1", "postal-server-2", "postal-server-x"]
    assert orphaned_databases(fleet, names, ["1"]) == ["postal-server-2"]


def test_an_open_port_has_rules_for_both_address_families() -> None:
    use = PortUse(25, "tcp", "0.0.0.0", "access", "k", sources=("10.0.0.0/8", "fd00::/8"))
    assert _source_matches(use) == ["ip saddr { 10.0.0.0/8 } ", "ip6 saddr { fd00::/8 } "]


def test_a_port_without_sources_differs_from_a_port_with_no_allowed_source(
    fleet_from: Write,
) -> None:
    fleet = fleet_from(
        "from mailfleet.components.access.settings import Opening\n"
        "access_open = [Opening(port=9100), Opening(port=9200, sources=())]\n"
    )
    rules = access.bundle(fleet, fleet.hosts["postal1"]).file("/etc/mailfleet/firewall.nft")
    assert b"        tcp dport 9100 accept" in rules.content
    assert b"9200" not in rules.content
