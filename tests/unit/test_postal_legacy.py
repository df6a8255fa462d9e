"""From version 1 of Postal's configuration to version 2: every key moved, kept or told dropped."""

import stat

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mailfleet.cli.postal import postal
from mailfleet.components.postal.yml import RENAMED, find, problems, render
from mailfleet.components.postal.yml.legacy import KEPT, convert

CANARY = "canary-5c1d"

# Every key of version 1 that Postal 2.0 to 2.3 knew, with values that are not the defaults.
OLD = f"""
web:
  host: postal.example.com
  protocol: http
general:
  use_ip_pools: true
  exception_url: https://{CANARY}@sentry.example.com/1
  maximum_delivery_attempts: 20
  maximum_hold_expiry_days: 8
  suppression_list_removal_delay: 31
  use_local_ns_for_domains: true
  default_spam_threshold: 6.0
  default_spam_failure_threshold: 21.0
  use_resent_sender_header: false
web_server:
  bind_address: 0.0.0.0
  port: 5001
  max_threads: 6
main_db:
  host: 192.0.2.10
  port: 3307
  username: postal_main
  password: {CANARY}-main
  database: postal_db
  pool_size: 7
  encoding: utf8mb4
message_db:
  host: 192.0.2.11
  port: 3308
  username: postal_messages
  password: {CANARY}-messages
  prefix: pm
rabbitmq:
  host: 127.0.0.1
  port: 5672
  username: postal
  password: {CANARY}-rabbit
  vhost: /postal
  tls: false
  verify_peer: true
  tls_ca_certificates: [/etc/ssl/certs/ca-certificates.crt]
logging:
  stdout: true
  root: /var/log/postal
  max_log_file_size: 20
  max_log_files: 10
  rails_log: true
  graylog:
    host: graylog.example.com
    port: 12202
    facility: mail
workers:
  threads: 8
  quantity: 2
fast_server:
  enabled: true
  bind_address: 192.0.2.1
smtp_server:
  port: 2525
  bind_address: 0.0.0.0
  tls_enabled: true
  tls_certificate_path: /config/mail.cert
  tls_private_key_path: /config/mail.key
  tls_ciphers: HIGH
  ssl_version: TLSv1_2
  proxy_protocol: true
  log_connect: true
  log_exclude_ips: ^10\\.
  strip_received_headers: true
  max_message_size: 50
smtp_relays:
  - hostname: relay1.example.com
    port: 465
    ssl_mode: TLS
  - hostname: relay2.example.com
    ssl_mode: Auto
dns:
  mx_records: [mx1.example.com, mx2.example.com]
  smtp_server_hostname: smtp.example.com
  spf_include: spf.example.com
  return_path: rp.example.com
  route_domain: routes.example.com
  track_domain: track.example.com
  helo_hostname: helo.example.com
  dkim_identifier: mail
  domain_verify_prefix: mail-verification
  custom_return_path_prefix: bounce
smtp:
  host: 127.0.0.1
  port: 2526
  username: acme/main
  password: {CANARY}-smtp
  from_name: Mail
  from_address: mail@example.com
rails:
  environment: production
  secret_key: {CANARY}-rails
rspamd:
  enabled: true
  host: 127.0.0.2
  port: 11335
  ssl: true
  password: {CANARY}-rspamd
  flags: pass_all
spamd:
  enabled: false
  host: 127.0.0.3
  port: 784
clamav:
  enabled: true
  host: 127.0.0.4
  port: 2001
smtp_client:
  open_timeout: 31
  read_timeout: 61
"""

NEW = {
    "postal": {
        "web_hostname": "postal.example.com",
        "web_protocol": "http",
        "smtp_hostname": "smtp.example.com",
        "use_ip_pools": True,
        "default_maximum_delivery_attempts": 20,
        "default_maximum_hold_expiry_days": 8,
        "default_suppression_list_automatic_removal_days": 31,
        "default_spam_threshold": 6,
        "default_spam_failure_threshold": 21,
        "use_local_ns_for_domain_verification": True,
        "use_resent_sender_header": False,
        "smtp_relays": [
            "smtp://relay1.example.com:465?ssl_mode=TLS",
            "smtp://relay2.example.com?ssl_mode=Auto",
        ],
    },
    "web_server": {"default_port": 5001, "default_bind_address": "0.0.0.0", "max_threads": 6},
    "main_db": {
        "host": "192.0.2.10",
        "port": 3307,
        "username": "postal_main",
        "password": f"{CANARY}-main",
        "database": "postal_db",
        "pool_size": 7,
        "encoding": "utf8mb4",
    },
    "message_db": {
        "host": "192.0.2.11",
        "port": 3308,
        "username": "postal_messages",
        "password": f"{CANARY}-messages",
        "database_name_prefix": "pm",
    },
    "logging": {
        "rails_log_enabled": True,
        "sentry_dsn": f"https://{CANARY}@sentry.example.com/1",
    },
    "gelf": {"host": "graylog.example.com", "port": 12202, "facility": "mail"},
    "smtp_server": {
        "default_port": 2525,
        "default_bind_address": "0.0.0.0",
        "tls_enabled": True,
        "tls_certificate_path": "/config/mail.cert",
        "tls_private_key_path": "/config/mail.key",
        "tls_ciphers": "HIGH",
        "ssl_version": "TLSv1_2",
        "proxy_protocol": True,
        "log_connections": True,
        "max_message_size": 50,
        "log_ip_address_exclusion_matcher": r"^10\.",
    },
    "dns": {
        "mx_records": ["mx1.example.com", "mx2.example.com"],
        "spf_include": "spf.example.com",
        "return_path_domain": "rp.example.com",
        "route_domain": "routes.example.com",
        "track_domain": "track.example.com",
        "helo_hostname": "helo.example.com",
        "dkim_identifier": "mail",
        "domain_verify_prefix": "mail-verification",
        "custom_return_path_prefix": "bounce",
    },
    "smtp": {
        "host": "127.0.0.1",
        "port": 2526,
        "username": "acme/main",
        "password": f"{CANARY}-smtp",
        "from_name": "Mail",
        "from_address": "mail@example.com",
    },
    "rails": {"environment": "production", "secret_key": f"{CANARY}-rails"},
    "rspamd": {
        "enabled": True,
        "host": "127.0.0.2",
        "port": 11335,
        "ssl": True,
        "password": f"{CANARY}-rspamd",
        "flags": "pass_all",
    },
    "spamd": {"enabled": False, "host": "127.0.0.3", "port": 784},
    "clamav": {"enabled": True, "host": "127.0.0.4", "port": 2001},
    "smtp_client": {"open_timeout": 31, "read_timeout": 61},
}

DROPPED = [
    "rabbitmq.host",
    "rabbitmq.port",
    "rabbitmq.username",
    "rabbitmq.password",
    "rabbitmq.vhost",
    "rabbitmq.tls",
    "rabbitmq.verify_peer",
    "rabbitmq.tls_ca_certificates",
    "logging.stdout",
    "logging.root",
    "logging.max_log_file_size",
    "logging.max_log_files",
    "workers.threads",
    "workers.quantity",
    "fast_server.enabled",
    "fast_server.bind_address",
    "smtp_server.strip_received_headers",
]


def test_a_full_old_file_becomes_the_new_one_without_problems():
    done = convert(yaml.safe_load(OLD))
    assert done.config == NEW
    assert problems(done.config) == []
    assert done.notes == []
    assert yaml.safe_load(render(done.config)) == {"version": 2} | NEW


def test_every_old_key_is_kept_moved_or_dropped_by_name():
    done = convert(yaml.safe_load(OLD))
    assert sorted(done.moved) == sorted(RENAMED.items())
    assert sorted(done.kept) == sorted(KEPT)
    assert [path for path, _ in done.dropped] == DROPPED
    assert all(reason for _, reason in done.dropped)


def test_no_two_old_keys_have_the_same_new_one():
    new = [*RENAMED.values(), *KEPT]
    assert len(new) == len(set(new))
    assert [path for path in new if find(path) is None] == []


@pytest.mark.parametrize(
    ("old", "path", "said"),
    [
        ({"dns": {"helo_hostname": None}}, "dns.helo_hostname", "empty"),
        ({"smtp": {"username": ""}}, "smtp.username", "empty"),
        ({"worker": {"threads": 4}}, "worker.threads", "a name of version 2"),
        ({"smtp_server": {"default_port": 25}}, "smtp_server.default_port", "a name of version 2"),
        ({"message_db": {"encoding": "utf8"}}, "message_db.encoding", "a name of version 2"),
        ({"dns": {"mx_record": ["x"]}}, "dns.mx_record", "did you mean dns.mx_records?"),
        ({"zzz": {"a": 1}}, "zzz.a", "knows no such key"),
        ({"general": None}, "general", "without keys"),
        ({"logging": {"graylog": None}}, "logging.graylog", "without keys"),
        ({"smtp": {}}, "smtp", "without keys"),
        ({"smtp": "x"}, "smtp", "without keys"),
        ({"rabbitmq": None}, "rabbitmq", "MariaDB"),
        ({"workers": {"threads": 4}}, "workers.threads", "worker.threads"),
        ({"logging": {"graylog": {"port": 1}}}, "logging.graylog.port", "nothing is sent"),
        ({"smtp_relays": None}, "smtp_relays", "empty"),
        ({"smtp_relays": []}, "smtp_relays", "empty"),
        ({"smtp_relays": {"hostname": "x"}}, "smtp_relays", "not a list"),
        ({"smtp_relays": ["x"]}, "smtp_relays[0]", "not a mapping"),
        ({"smtp_relays": [{"hostname": None, "port": 25}]}, "smtp_relays[0]", "without a hostname"),
    ],
)
def test_what_is_dropped_says_why(old, path, said):
    done = convert(old)
    assert done.config == {}
    assert done.moved == []
    assert [(name, said in reason) for name, reason in done.dropped] == [(path, True)]


@pytest.mark.parametrize(
    ("relay", "url"),
    [
        ({"port": 25, "ssl_mode": "Auto"}, "smtp://relay.test:25?ssl_mode=Auto"),
        ({"port": None, "ssl_mode": "None"}, "smtp://relay.test?ssl_mode=None"),
        ({"port": "587", "ssl_mode": "STARTTLS"}, "smtp://relay.test:587?ssl_mode=STARTTLS"),
    ],
)
def test_a_relay_becomes_a_url(relay, url):
    done = convert({"smtp_relays": [{"hostname": "relay.test"} | relay]})
    assert done.config == {"postal": {"smtp_relays": [url]}}


def test_a_relay_without_ssl_mode_stays_in_clear_text_and_is_noted():
    done = convert({"smtp_relays": [{"hostname": "relay.test"}]})
    assert done.config["postal"]["smtp_relays"] == ["smtp://relay.test?ssl_mode=None"]
    assert "clear text" in done.notes[0]


def test_a_relay_that_asked_for_starttls_is_a_problem():
    done = convert({"smtp_relays": [{"hostname": "relay.test", "ssl_mode": "STARTTLS"}]})
    assert "clear text" in problems(done.config)[0].message


def test_credentials_of_a_relay_are_dropped_by_name():
    done = convert({"smtp_relays": [{"hostname": "r.test", "ssl_mode": "TLS", "password": CANARY}]})
    assert [path for path, _ in done.dropped] == ["smtp_relays[0].password"]
    assert CANARY not in repr(done)


@pytest.mark.parametrize(
    ("old", "config"),
    [
        (
            {"general": {"default_spam_threshold": 5.0}},
            {"postal": {"default_spam_threshold": 5}},
        ),
        (
            {"general": {"default_spam_threshold": 5.5}},
            {"postal": {"default_spam_threshold": 5.5}},
        ),
        ({"dns": {"mx_records": "mx.test"}}, {"dns": {"mx_records": ["mx.test"]}}),
        ({"smtp_server": {"port": "25"}}, {"smtp_server": {"default_port": "25"}}),
        ({"main_db": {"password": 1234}}, {"main_db": {"password": 1234}}),
    ],
)
def test_values_are_only_rewritten_where_nothing_is_lost(old, config):
    assert convert(old).config == config


def test_changed_defaults_are_noted_for_what_the_file_does_not_give():
    noted = [note.partition(":")[0] for note in convert({"smtp_client": {"read_timeout": 9}}).notes]
    assert noted == [
        "web_server.bind_address",
        "main_db.host",
        "message_db.host",
        "workers.threads",
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)
OLD_GROUPS = st.sampled_from(sorted({path.partition(".")[0] for path in [*RENAMED, *KEPT]}))


@given(st.dictionaries(OLD_GROUPS | st.text() | st.integers(), ANYTHING))
def test_convert_never_raises_and_its_result_can_be_checked_and_written(old):
    config = convert(old).config
    problems(config)
    render(config)


# The command


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*arguments, old=OLD):
        (tmp_path / "old.yml").write_bytes(old if isinstance(old, bytes) else old.encode())
        return CliRunner().invoke(postal, ["convert-config", *arguments])

    return command


def test_the_new_file_goes_to_stdout_and_the_report_to_stderr(run):
    done = run("old.yml")
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout) == {"version": 2} | NEW
    assert "  web.host -> postal.web_hostname\n" in done.stderr
    assert "  rabbitmq.password: " in done.stderr
    assert CANARY not in done.stderr


def test_an_output_file_is_for_its_owner_only(run, tmp_path):
    done = run("old.yml", "-o", "new.yml")
    new = tmp_path / "new.yml"
    assert (done.exit_code, done.stdout) == (0, "")
    assert yaml.safe_load(new.read_text()) == {"version": 2} | NEW
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.yml", "old.yml"]


def test_an_output_file_is_replaced_only_by_force(run, tmp_path):
    new = tmp_path / "new.yml"
    new.write_text("former")
    refused = run("old.yml", "-o", "new.yml")
    assert (refused.exit_code, new.read_text()) == (1, "former")
    assert refused.stderr == "Error: new.yml: exists; replace it with --force\n"
    assert run("old.yml", "-o", "new.yml", "--force").exit_code == 0
    assert new.read_text().startswith("version: 2\n")


def test_a_missing_directory_is_one_clear_line(run):
    done = run("old.yml", "-o", "nowhere/new.yml")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: nowhere/new.yml: No such file or directory\n",
    )


def test_problems_of_the_result_are_listed_and_end_with_2(run):
    done = run("old.yml", old=f"smtp_server:\n  port: '25'\nmain_db:\n  password: '{CANARY}\"'\n")
    assert done.exit_code == 2
    assert "smtp_server.default_port: a text where a whole number is needed" in done.stderr
    assert "main_db.password: Postal copies it unescaped" in done.stderr
    assert "rails.secret_key: not given" in done.stderr
    assert CANARY in done.stdout
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (f"web:\n  host: a\n  password: *{CANARY}\n", "old.yml:3: not valid YAML"),
        (f"web:\n  host: a\n b: {CANARY}\n", "old.yml:3: not valid YAML"),
        (f"smtp:\n  password: !{CANARY} x\n", "old.yml:2: not valid YAML"),
        (f"a: 2026-99-99 # {CANARY}\n", "old.yml: not valid YAML"),
        (b"a: \xff\n", "old.yml: not valid YAML"),
        ("[" * 5000, "old.yml: not valid YAML"),
        ("", "old.yml: empty"),
        ("- a\n", "old.yml: not a YAML mapping"),
        ("version: 2\n", "old.yml: already version 2"),
        ("version: 3\n", "old.yml: version is neither 1 nor 2"),
        ("rabbitmq:\n  host: a\n", "old.yml: holds no key that Postal 3 reads"),
    ],
)
def test_what_cannot_be_converted_is_one_clear_line(run, old, message):
    done = run("old.yml", old=old)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {message}")
    assert done.stderr.count("\n") == 1
    assert CANARY not in done.stderr


def test_a_missing_file_is_one_clear_line(run):
    done = run("gone.yml")
    assert (done.exit_code, done.stderr) == (1, "Error: gone.yml: No such file or directory\n")


def test_version_1_may_be_said(run):
    assert run("old.yml", old="version: 1\nweb:\n  host: a.example.com\n").exit_code == 0
