"""What an operator is told of mistakes in the settings, before any host is touched."""

from pathlib import Path

import pytest

from mailfleet.components.postal.ports import worker_health_ports
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.load import load_fleet
from mailfleet.fleet.reference import reference
from mailfleet.fleet.rules import secret_problems
from mailfleet.fleet.sites import sites_of
from tests.unit.conftest import INVENTORY, Write


def test_every_mistake_of_the_fleet_is_told_at_once_with_file_and_line(fleet_from: Write) -> None:
    with pytest.raises(SettingsError) as caught:
        fleet_from(
            'postal_verison = "3.3.7"\npostal_smtp_ports = ["25"]\npostal_web_port = 70000\n',
            all='docker_log_driver = "loki"\n',
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "group_data/all.py:1: docker_log_driver: 'loki': Input should be 'local', 'json-file' or "
        "'journald'",
        "group_data/postal.py:4: postal_verison: unknown setting; did you mean postal_version?",
        "group_data/postal.py:5: postal_smtp_ports: '25' at 0: Input should be a valid integer",
        "group_data/postal.py:6: postal_web_port: 70000: Input should be less than or equal to "
        "65535",
    ]


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('postal_web_hostname = "postal"', "postal_web_hostname", "fully qualified"),
        ('postal_web_hostname = "Postal.example.com"', "postal_web_hostname", "lower-case"),
        ('postal_web_hostname = "a.example.com; rm -rf /"', "postal_web_hostname", "fully"),
        ('postal_web_hostname = "a.example.com\\nversion: 1"', "postal_web_hostname", "fully"),
        ('postal_track_domains = ["$(id).example.com"]', "postal_track_domains", "fully"),
        ('postal_track_domains = ["postal.example.com"]', "postal_track_domains", "name of its"),
        ('postal_image = "ghcr.io/postal:3.3.7 --privileged"', "postal_image", "image name"),
        ('postal_version = "3.3.7\\n    privileged: true"', "postal_version", "image tag"),
        ('postal_admin_email = "nobody"', "postal_admin_email", "e-mail address"),
        ('postal_database_name = "postal`; DROP"', "postal_database_name", "letters, digits"),
        ('postal_from_name = "A\\nB"', "postal_from_name", "line breaks"),
        ('postal_rails_secret_key = "plain text"', "postal_rails_secret_key", "a reference"),
        ("postal_use_ip_pools = True", "postal_use_ip_pools", 'postal_networking = "host"'),
        ('postal_use_ip_pools = "yes"', "postal_use_ip_pools", "valid boolean"),
        ('postal_subnet = "172.27.25.1/24"', "postal_subnet", "host bits"),
        ("postal_smtp_ports = [25, 443]", "postal_smtp_ports", "taken twice"),
        ("access_open = [5000]", "access_open", "Opening"),
        ('ssh_hostnme = "x"', "ssh_hostnme", "did you mean ssh_hostname"),
        ('base_sysctl = {"net.core; reboot": 1}', "base_sysctl", "pattern"),
        ('preflight_accept = ["everything"]', "preflight_accept", "outbound-25"),
    ],
)
def test_a_wrong_value_names_key_and_remedy(
    fleet_from: Write, line: str, key: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        fleet_from(line + "\n")
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.where.startswith("group_data/postal.py:")
    assert words in problem.message


@pytest.mark.parametrize(
    "line",
    [
        'postal_database_password = "hunter2-canary"',
        'docker_registries = [{"host": "registry.example.com", "password": "hunter2-canary"}]',
        'docker_registries = [{"host": "registry.example.com", "passwrd": "hunter2-canary"}]',
        'docker_registries = [{"password": "hunter2-canary"}]',
        'docker_registries = {"password": "hunter2-canary"}',
        "from mailfleet.components.docker.settings import Registry\n"
        'docker_registries = [Registry(host="registry.example.com", password="hunter2-canary")]',
        "from mailfleet.components.docker.settings import Registry\n"
        'docker_registries = [Registry(host="registry.example.com", passwrd="hunter2-canary")]',
    ],
)
def test_a_secret_written_as_plain_text_is_not_repeated(fleet_from: Write, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fleet_from(line + "\n")
    assert "canary" not in str(caught.value)
    assert "group_data/postal.py:" in str(caught.value)


def test_a_host_in_no_role_group_is_told_the_nearest_role(fleet_from: Write) -> None:
    inventory = INVENTORY + 'postla_web = [("web1", {"host_fqdn": "web1.example.com"})]\n'
    with pytest.raises(SettingsError, match=r"host web1: is in no role group .* postal_web"):
        fleet_from(inventory=inventory)


def test_a_host_whose_groups_resemble_no_role_is_told_all_roles(fleet_from: Write) -> None:
    inventory = INVENTORY + 'others = [("web1", {"host_fqdn": "web1.example.com"})]\n'
    with pytest.raises(SettingsError, match=r"\(its groups: others, test\)\. Roles are server,"):
        fleet_from(inventory=inventory)


def test_a_description_read_from_elsewhere_is_not_blamed(
    fleet_from: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet_from()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    told = f"group_data is read from the working directory: run this in {tmp_path}"
    with pytest.raises(SettingsError, match=f"^1 problem .*\n.*{told}"):
        load_fleet("../inventories/test.py", SCHEMA)


def test_a_required_key_is_asked_for_on_hosts_with_the_role_only(fleet_from: Write) -> None:
    server = 'server = [("s", {"host_fqdn": "s.example.com"})]\n'
    assert fleet_from(inventory=server).hosts["s"].roles == {"server"}


def test_a_host_has_a_full_name(fleet_from: Write) -> None:
    with pytest.raises(SettingsError, match="host s: host_fqdn: is required"):
        fleet_from(inventory='server = ["s"]\n')


def test_mistakes_in_python_files_are_one_line(fleet_from: Write) -> None:
    with pytest.raises(SettingsError, match=r"group_data/postal.py:\d+: .*never closed"):
        fleet_from("postal_smtp_ports = [25\n")
    with pytest.raises(SettingsError, match="NameError: name 'undefined_name'"):
        fleet_from("postal_version = undefined_name\n")


def test_an_inventory_that_ends_itself_says_why(fleet_from: Write) -> None:
    with pytest.raises(SettingsError, match=r"inventories/test\.py: the lab is not up"):
        fleet_from(inventory='import sys\nsys.exit("the lab is not up")\n')


def test_the_file_of_the_inventory_has_the_last_word_over_the_role(fleet_from: Write) -> None:
    host = fleet_from("postal_worker_threads = 2\n", test="postal_worker_threads = 8\n").hosts[
        "postal1"
    ]
    assert host[PostalSettings].worker_threads == 8
    assert host.origins["postal_worker_threads"] == "group_data/test.py:1"
    assert host.origins["postal_worker_replicas"] == "default"


def test_postal_needs_one_database_and_a_web_server(fleet_from: Write) -> None:
    alone = 'postal = [("p", {"host_fqdn": "p.example.com"})]\n'
    with pytest.raises(SettingsError, match="no host has the role database") as caught:
        fleet_from('postal_smtp_tls = "off"\n', inventory=alone)
    assert "no host has the role caddy" in str(caught.value)


def test_a_database_on_another_host_needs_private_addresses(fleet_from: Write) -> None:
    spread = """
postal = [("p", {"host_fqdn": "p.example.com"})]
caddy = ["p"]
database = [("d", {"host_fqdn": "d.example.com"})]
"""
    with pytest.raises(SettingsError) as caught:
        fleet_from(inventory=spread)
    assert {(p.where, p.key) for p in caught.value.problems} == {
        ("host d", "host_private_ipv4"),
        ("host p", "host_private_ipv4"),
    }


def test_a_caddy_on_another_host_needs_private_addresses(fleet_from: Write) -> None:
    spread = """
_web = ("w", {"host_fqdn": "w.example.com", "postal_smtp_tls": "off"})
postal = [_web]
database = [_web]
caddy = [("c", {"host_fqdn": "c.example.com"})]
"""
    with pytest.raises(SettingsError) as caught:
        fleet_from(inventory=spread, all=ACME)
    assert {(p.where, p.key) for p in caught.value.problems} == {
        ("host c", "host_private_ipv4"),
        ("host w", "host_private_ipv4"),
    }


def test_hosts_of_one_postal_must_agree(fleet_from: Write) -> None:
    spread = """
postal_web = [("a", {"host_fqdn": "a.example.com", "host_private_ipv4": "10.0.0.1"})]
postal_smtp = ["a"]
database = ["a"]
caddy = ["a"]
postal_worker = [("b", {"host_fqdn": "b.example.com", "host_private_ipv4": "10.0.0.2",
                        "postal_version": "3.3.6"})]
"""
    names = 'postal_web_hostname = "p.example.com"\ncaddy_acme_email = "a@example.com"\n'
    with pytest.raises(SettingsError, match="postal_version: differs from a"):
        fleet_from(inventory=spread, all=names)


def test_workers_never_take_the_health_port_of_the_smtp_server() -> None:
    assert worker_health_ports(1) == [9090]
    assert worker_health_ports(3) == [9090, 9092, 9093]


def test_every_setting_is_in_the_reference() -> None:
    pages = "\n".join(reference(SCHEMA).values())
    assert [key for key in SCHEMA.keys if f"## {key}\n" not in pages] == []


def test_a_secret_that_postal_cannot_use_is_told_without_its_value(
    fleet_from: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleet_from(all='secrets_backend = "environment"\n')
    monkeypatch.setenv("MAILFLEET_SECRET_POSTAL_DATABASE_PASSWORD", 'canary"with-a-quote')
    monkeypatch.setenv("MAILFLEET_SECRET_POSTAL_RAILS_SECRET_KEY", "0" * 128)
    problems = secret_problems(fleet)
    assert {problem.key for problem in problems} == {"main_db.password"}
    assert "canary" not in str(problems)


ACME = 'caddy_acme_email = "a@example.com"\n'
_FIRST = """
_p = ("p1", {"host_fqdn": "p1.example.com", "host_private_ipv4": "10.0.0.1"})
_other = ("other", {"host_fqdn": "other.example.com", "host_private_ipv4": "10.0.0.2"})
postal = [_p]
database = [_p]
"""


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("database", "s has this role, but no host has one of Postal"),
        ("caddy", "s has this role, but no component of the fleet gives it a site"),
    ],
)
def test_a_role_that_nothing_needs_is_told(fleet_from: Write, role: str, words: str) -> None:
    inventory = f'server = {role} = [("s", {{"host_fqdn": "s.example.com"}})]\n'
    with pytest.raises(SettingsError, match=words):
        fleet_from(inventory=inventory, all=ACME)


def test_postal_is_behind_a_caddy_elsewhere_where_none_is_beside_it(fleet_from: Write) -> None:
    fleet = fleet_from('postal_smtp_tls = "off"\n', _FIRST + "caddy = [_other]\n", all=ACME)
    (site,) = sites_of(fleet, fleet.hosts["other"])
    assert (site.name, site.upstreams) == ("postal.example.com", ("10.0.0.1:5000",))


def test_a_caddy_beside_postal_leaves_nothing_to_one_elsewhere(fleet_from: Write) -> None:
    with pytest.raises(SettingsError, match="other has this role, but no component"):
        fleet_from(inventory=_FIRST + "caddy = [_p, _other]\n", all=ACME)


def test_an_edited_description_is_read_anew(fleet_from: Write) -> None:
    """As the exporter does at each look."""
    fleet_from("postal_worker_threads = 2\n")
    other = INVENTORY.replace("postal1", "renamed")
    fleet = fleet_from("postal_worker_threads = 3\n", other)
    assert list(fleet.hosts) == ["renamed"]
    assert fleet.hosts["renamed"][PostalSettings].worker_threads == 3
    with pytest.raises(SettingsError, match=r"group_data/postal.py:5: postal_worker_threads"):
        fleet_from("\npostal_worker_threads = 0\n", other)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "No such file or directory"), ("none", "no certificate in it")]
)
def test_a_ca_that_no_probe_could_use_is_told_before_any_host_is_asked(
    fleet_from: Write, tmp_path: Path, content: str | None, told: str
) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SettingsError, match=f"health_ca_file: ca.pem: {told}"):
        fleet_from('health_ca_file = "ca.pem"\n')
