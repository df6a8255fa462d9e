"""Postal's configuration: the schema, its check (each trap a case) and the text of the file."""

import datetime
import json
import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mailfleet.components.postal.yml import (
    RENAMED,
    SCHEMA,
    Kind,
    find,
    missing,
    problems,
    render,
)
from mailfleet.secrets import MASK, Secret, secret

CANARY = "canary-5c1d"

GOOD = {
    "version": 2,
    "postal": {
        "web_hostname": "postal.example.com",
        "web_protocol": "https",
        "smtp_hostname": "postal.example.com",
        "use_ip_pools": False,
        "signing_key_path": "$config-file-root/signing.key",
        "smtp_relays": ["smtp://relay.example.com:465?ssl_mode=TLS", "smtp://relay2.example.com"],
        "trusted_proxies": ["10.0.0.0/8", "2001:db8::1"],
        "allowed_request_destinations": ["app.example.com", "10.0.0.5", "fd00::/8"],
    },
    "web_server": {"default_bind_address": "[::]", "default_port": 5000},
    "worker": {"threads": 4},
    "main_db": {"host": "postal_db", "username": "postal", "password": secret("postal/database")},
    "message_db": {"host": "192.0.2.5", "password": Secret("s"), "database_name_prefix": "postal"},
    "smtp_server": {
        "default_bind_address": "::",
        "tls_enabled": True,
        "tls_certificate_path": "/config/smtp.cert",
        "log_ip_address_exclusion_matcher": r"\A(?<net>10\.\h+)\z",
    },
    "dns": {
        "mx_records": ["mx.example.com"],
        "spf_include": "_spf.example.com",
        "return_path_domain": "rp.example.com",
        "route_domain": "routes.example.com",
        "dkim_identifier": "postal",
    },
    "smtp": {"from_name": '"Example, Inc."', "from_address": "postal@example.com"},
    "rails": {"secret_key": Secret("0" * 128)},
    "rspamd": {"enabled": True, "host": "rspamd"},
}  # fmt: skip


def set_(path, value):
    """A configuration with only this key."""
    group, _, name = path.partition(".")
    return {group: {name: value}}


def paths(found):
    return [problem.path for problem in found]


# The schema itself


def test_every_default_is_of_its_own_type_and_kind():
    silent = {"smtp.username", "smtp.password"}
    for group, keys in SCHEMA.items():
        for name, key in keys.items():
            if key.default is not None:
                found = problems(set_(f"{group}.{name}", key.default))
                own = [p for p in found if p.path == f"{group}.{name}" and p.path not in silent]
                assert own == []


def test_the_schema_has_the_111_keys_of_3_3_7_in_17_groups():
    assert (len(SCHEMA), sum(map(len, SCHEMA.values()))) == (17, 111)


def test_every_key_says_what_it_means():
    for keys in SCHEMA.values():
        for key in keys.values():
            assert key.meaning.endswith(".")


def test_passwords_and_keys_are_marked_secret():
    marked = {f"{g}.{n}" for g, keys in SCHEMA.items() for n, key in keys.items() if key.secret}
    assert marked == {
        "main_db.password", "message_db.password", "smtp.password", "rspamd.password",
        "oidc.secret", "rails.secret_key", "logging.sentry_dsn",
    }  # fmt: skip


def test_every_new_name_exists():
    assert [new for new in RENAMED.values() if find(new) is None] == []


def test_only_choices_have_choices():
    for keys in SCHEMA.values():
        assert all(bool(key.choices) == (key.kind is Kind.CHOICE) for key in keys.values())


# The check


def test_a_good_configuration_has_no_problems():
    assert problems(GOOD) == []
    assert missing(GOOD) == []


TYPES = [
    ("smtp_server.tls_enabled", "yes", "a text where true or false"),
    ("smtp_server.tls_enabled", "true", "a text where true or false"),
    ("smtp_server.tls_enabled", 1, "a number where true or false"),
    ("smtp_server.default_port", "25", "a text where a whole number"),
    ("smtp_server.default_port", True, "true or false where a whole number"),
    ("smtp_server.max_message_size", 14.5, "a decimal number where a whole number"),
    ("smtp_server.max_message_size", "14MB", "a text where a whole number"),
    ("main_db.password", 12345, "a number where a text"),
    ("main_db.username", datetime.date(2026, 1, 1), "a date where a text"),
    ("dns.mx_records", "mx.example.com", "a text where a list"),
    ("dns.mx_records", None, "no value"),
    ("dns.mx_records[0]", [None], "no value"),
    ("dns.mx_records[0]", [["mx.example.com"]], "a list where a text"),
    ("postal.smtp_relays[0]", [{"hostname": "relay.example.com"}], "a dict where a text"),
    ("dns.timeout", None, "no value"),
    ("smtp.host", "", "an empty text"),
    ("dns.mx_records", [], "an empty list"),
    ("dns.mx_records[1]", ["mx.example.com", "mx.example.com"], "given twice"),
]

VALUES = [
    ("web_server.default_port", 0, "not a port"),
    ("web_server.default_port", 65536, "not a port"),
    ("worker.threads", 0, "less than 1"),
    ("smtp_client.read_timeout", -1, "less than 1"),
    ("dns.timeout", 1, "less than 2"),
    ("postal.default_spam_threshold", -1, "less than 0"),
    ("postal.web_hostname", "https://postal.example.com", "not a full host name"),
    ("postal.web_hostname", "postal", "not a full host name"),
    ("postal.smtp_hostname", "-x.example.com", "not a full host name"),
    ("postal.smtp_hostname", "192.0.2.1", "an address"),
    ("dns.helo_hostname", "smtp_out.example.com", "not a full host name"),
    ("dns.mx_records[0]", ["MX.example.com"], "lower case"),
    ("dns.mx_records[0]", ["mx.example.com."], "trailing dot"),
    ("dns.return_path_domain", "RP.example.com", "lower case"),
    ("dns.return_path_domain", "rp.example.com.", "trailing dot"),
    ("dns.dkim_identifier", "Postal", "not a name for DNS"),
    ("dns.domain_verify_prefix", "postal verification", "plain word"),
    ("main_db.host", "db.example.com:3306", "neither a host name nor an address"),
    ("main_db.password", 'pa"ss', "unescaped"),
    ("main_db.password", "pa\\ss", "unescaped"),
    ("main_db.password", "pass\n", "line break"),
    ("main_db.host", "<%= ENV['MAIN_DB_HOST'] %>", "ERB"),
    ("message_db.database_name_prefix", "my`postal", "plain word"),
    ("smtp_server.default_bind_address", "localhost", "not an address to listen on"),
    ("smtp_server.default_bind_address", "[::]", "not an address to listen on"),
    ("web_server.default_bind_address", "::", "URL"),
    ("web_server.default_bind_address", "[127.0.0.1]", "URL"),
    ("web_server.default_bind_address", "all", "not an address to listen on"),
    ("postal.signing_key_path", "signing.key", "not an absolute path"),
    ("postal.signing_key_path", "~/signing.key", "not an absolute path"),
    ("postal.signing_key_path", "/opt/postal/config/signing.key", "on the host"),
    ("smtp.from_address", "Postal <postal@example.com>", "e-mail address"),
    ("smtp.from_address", "postal@-", "after @"),
    ("smtp.from_name", "Example, Inc.", "From header"),
    ("oidc.issuer", "login.example.com", "not an http or https URL"),
    ("oidc.jwks_uri", "https://[::1", "not an http or https URL"),
    ("postal.trusted_proxies[0]", ["10.0.0.0/33"], "neither an address nor a network"),
    ("postal.trusted_proxies[0]", ["proxy.example.com"], "neither an address nor a network"),
    ("postal.allowed_request_destinations[0]", ["http://10.0.0.5/hook"], "not with URLs"),
    ("postal.web_protocol", "HTTPS", "not a word"),
    ("smtp_server.ssl_version", "TLSv1.2", "not a word"),
    ("smtp_server.ssl_version", "TLSv1_3", "not a word"),
    ("smtp.authentication_type", "cram-md5", "not a word"),
    ("smtp.openssl_verify_mode", "VERIFY_PEER", "not a word"),
    ("rails.environment", "prod", "not a word"),
    ("smtp_server.log_ip_address_exclusion_matcher", "(10", "not a regular expression"),
    ("smtp_server.log_ip_address_exclusion_matcher", "*", "not a regular expression"),
    ("smtp_server.log_ip_address_exclusion_matcher", r"/^10\./", "slashes"),
]  # fmt: skip

RELAYS = [
    ("relay.example.com:2525", "without smtp://"),
    ("relay.example.com", "without smtp://"),
    ("smtp:relay.example.com", "without smtp://"),
    ("smtps://relay.example.com:465", "without smtp://"),
    ("smtp://[::1", "without smtp://"),
    ("smtp://:25", "no host"),
    ("smtp://user:pass@relay.example.com:587", "credentials"),
    ("smtp://192.0.2.1:25", "an address"),
    ("smtp://[2001:db8::1]:25", "an address"),
    ("smtp://relay example.com", "not a host name"),
    ("smtp://relay.example.com:0", "not a port"),
    ("smtp://relay.example.com:99999", "not a port"),
    ("smtp://relay.example.com:smtp", "not a port"),
    ("smtp://relay.example.com:25/queue", "follows the port"),
    ("smtp://relay.example.com?ssl_mode=auto", "clear text"),
    ("smtp://relay.example.com?ssl_mode=", "clear text"),
    ("smtp://relay.example.com?ssl_mode=STARTTLS", "misspells STARTTLS"),
    ("smtp://relay.example.com?ssl_mode=STARTLS", "misspelling"),
    ("smtp://relay.example.com?ssl_mode=TLS&ssl_mode=None", "twice"),
    ("smtp://relay.example.com?auth=plain", "only ssl_mode"),
]
VALUES += [("postal.smtp_relays[0]", [url], complaint) for url, complaint in RELAYS]


@pytest.mark.parametrize(("path", "value", "complaint"), TYPES + VALUES)
def test_a_wrong_value_is_one_problem_at_its_path(path, value, complaint):
    found = problems(set_(path.partition("[")[0], value))
    own = [problem for problem in found if problem.path == path]
    assert [complaint in problem.message for problem in own] == [True], own
    assert own[0].remedy


@pytest.mark.parametrize(
    "expression",
    [r"\A10\.\h\z", "(?<a>1)", "(?-mix:a)", "[[:digit:]]", r"(?<!1)2", r"\\z", "a|b"],
)
def test_ruby_expressions_pass(expression):
    assert problems(set_("smtp_server.log_ip_address_exclusion_matcher", expression)) == []


@pytest.mark.parametrize(
    ("config", "path", "said"),
    [
        ({"smtp": {"hots": "x"}}, "smtp.hots", "did you mean smtp.host?"),
        ({"dns": {"resolve_conf_path": "x"}}, "dns.resolve_conf_path", "dns.resolv_conf_path"),
        ({"dns": {"web_hostname": "x"}}, "dns.web_hostname", "postal.web_hostname"),
        ({"smpt": {"host": "x"}}, "smpt", "did you mean smtp?"),
        ({"zzzzzz": {}}, "zzzzzz", "remove it"),
        ({"smtp": {3: "x"}}, "smtp.3", "remove it"),
        ({None: {}}, "None", "remove it"),
        ({"message_db": {"prefix": "x"}}, "message_db.prefix", "message_db.database_name_prefix"),
        ({"web": {"host": "x"}}, "web.host", "postal.web_hostname"),
        ({"general": {"use_ip_pools": True}}, "general.use_ip_pools", "postal.use_ip_pools"),
        ({"web_server": {"port": 1}}, "web_server.port", "web_server.default_port"),
        ({"dns": {"return_path": "x"}}, "dns.return_path", "dns.return_path_domain"),
        ({"logging": {"graylog": {"host": "x"}}}, "logging.graylog", "gelf"),
        ({"smtp_relays": [{"hostname": "x"}]}, "smtp_relays", "postal.smtp_relays"),
        ({"rabbitmq": {"host": "x"}}, "rabbitmq", "MariaDB"),
        ({"workers": {"quantity": 2}}, "workers.quantity", "postal_worker_replicas"),
        ({"logging": {"stdout": True}}, "logging.stdout", "logging.enabled"),
    ],
)
def test_an_unknown_name_tells_the_right_one(config, path, said):
    (found,) = problems(config)
    assert found.path == path
    assert said in found.remedy


def test_each_old_name_in_a_group_of_its_own_is_told():
    found = problems({"web": {"host": "x", "protocol": "https", "colour": "red"}})
    assert paths(found) == ["web.host", "web.protocol", "web.colour"]


@pytest.mark.parametrize("content", [None, {}, [], "x", 3])
def test_a_group_without_keys_is_a_problem(content):
    (found,) = problems({"smtp": content})
    assert found.path == "smtp"


@pytest.mark.parametrize("version", [1, "2", 2.0, True, None])
def test_another_version_of_the_format_is_a_problem(version):
    assert paths(problems({"version": version})) == ["version"]


@pytest.mark.parametrize(
    ("path", "value", "since", "before"),
    [
        ("postal.allowed_request_destinations", ["10.0.0.1"], "3.3.7", "3.3.6"),
        ("worker.threads", 4, "3.3.0", "3.2.2"),
        ("oidc.name", "Login", "3.2.0", "3.1.1"),
        ("postal.trusted_proxies", ["10.0.0.1"], "3.1.0", "3.0.2"),
    ],
)
def test_a_key_newer_than_the_version_is_a_problem(path, value, since, before):
    config = set_(path, value)
    for version in (since, f"{since}@sha256:{'0' * 64}", "latest", "10.0.0"):
        assert problems(config, version) == []
    assert [p.message for p in problems(config, before)] == [
        f"Postal {before} ignores it: new in {since}"
    ]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"rspamd": {"enabled": True}, "spamd": {"enabled": True}}, "spamd.enabled"),
        ({"rspamd": {"host": "rspamd"}}, "rspamd.enabled"),
        ({"clamav": {"port": 3310}}, "clamav.enabled"),
        ({"gelf": {"port": 12201}}, "gelf.host"),
        ({"smtp_server": {"tls_certificate_path": "/a"}}, "smtp_server.tls_enabled"),
        ({"smtp": {"username": "u"}}, "smtp.password"),
        ({"smtp": {"password": "p"}}, "smtp.username"),
        ({"oidc": {"local_authentication_enabled": False}}, "oidc.local_authentication_enabled"),
        (
            {"postal": {"default_spam_failure_threshold": 4}},
            "postal.default_spam_failure_threshold",
        ),
        ({"web_server": {"max_threads": 8}}, "main_db.pool_size"),
        (
            {"smtp_server": {"default_health_server_port": 25}},
            "smtp_server.default_health_server_port",
        ),
    ],
)
def test_what_postal_would_swallow_is_a_problem(config, path):
    assert paths(problems(config)) == [path]


OIDC = {"enabled": True, "issuer": "https://id.example.com", "identifier": "i", "secret": "s"}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, []),
        ({"identifier": None}, ["oidc.identifier", "oidc.identifier"]),
        ({"scopes": ["email"]}, ["oidc.scopes"]),
        ({"jwks_uri": "https://id.example.com/keys"}, ["oidc.jwks_uri"]),
        (
            {"discovery": False, "jwks_uri": "https://id.example.com/keys"},
            ["oidc.authorization_endpoint", "oidc.token_endpoint", "oidc.userinfo_endpoint"],
        ),
    ],
)
def test_openid_connect_must_be_complete(more, found):
    assert paths(problems({"oidc": OIDC | more})) == found


def test_a_switch_that_says_off_is_meant():
    assert problems({"rspamd": {"enabled": False, "host": "rspamd"}}) == []


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    config = {"dns": {"timeout": "5", "mx_records": ["MX.example.com"]}, "web": {"host": "x"}}
    assert paths(problems(config)) == ["dns.timeout", "dns.mx_records[0]", "web.host"]


@pytest.mark.parametrize(
    "config",
    [
        {"main_db": {"password": f'{CANARY}"'}},
        {"main_db": {"password": Secret(f'{CANARY}"')}},
        {"main_db": {"password": [CANARY]}},
        {"main_db": {"pasword": CANARY}},
        {"main_bd": {"password": CANARY}},
        {"main_db": CANARY},
        {"postal": {"smtp_relays": [f"smtp://u:{CANARY}@relay.example.com"]}},
        {"postal": {"smtp_relays": [f"smtp://relay.example.com?password={CANARY}"]}},
        {"postal": {"smtp_relays": [{"hostname": "relay", "password": CANARY}]}},
        {"logging": {"sentry_dsn": f"{CANARY}\n"}},
    ],
)
def test_problems_show_no_secrets(config):
    found = problems(config)
    assert found
    assert CANARY not in repr(found) + "".join(map(str, found))


def test_other_values_are_shown():
    assert problems({"dns": {"timeout": 0}})[0].value == 0
    assert problems({"smtp": {"hots": "x"}})[0].value == MASK


def test_missing_tells_what_postal_cannot_guess():
    assert "dns.mx_records" in paths(missing({}))
    assert "dns.timeout" not in paths(missing({}))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)
NEARLY = st.sampled_from(
    [
        "smtp://",
        "smtp://a@b:c?d",
        "//[",
        "smtp://h:\uff11",
        "10.0.0.0/",
        "(?<",
        "\\",
        "a" * 300 + ".b",
        "@",
    ]
)


@given(
    st.dictionaries(st.sampled_from([*SCHEMA, "version", "web"]) | st.text(), ANYTHING), st.text()
)
def test_problems_never_raises(config, version):
    assert isinstance(problems(config, version), list)
    assert isinstance(missing(config), list)


KEYS = st.sampled_from([(group, name) for group, keys in SCHEMA.items() for name in keys])


@given(st.dictionaries(KEYS, ANYTHING | NEARLY | st.lists(NEARLY | st.text()), max_size=4))
def test_problems_never_raises_on_real_keys(values):
    config: dict[str, dict[str, object]] = {}
    for (group, name), value in values.items():
        config.setdefault(group, {})[name] = value
    assert isinstance(problems(config), list)


# The file

AWKWARD = [
    "yes", "no", "on", "y", "true", "null", "~", "", "0x1", "0o17", "012", "1.0", "1e3", "12e3",
    "1,000", "1_000", "1:30:00", ".5", "+1", "2026-01-01", "2026-01-01 00:00:00", ":symbol", "=",
    "<<", " a ", "a\n", "a: b", "#a", "'", '"', "\\", "{a", "- a", "*a", "&a", "!a", "%a", "@a",
    "\x00", "\x85", "\u2028", "\ufeff", "é", "😀", "x " * 200, ".inf", "---", "...",
    "!ruby/object:A",
]  # fmt: skip


def test_the_file_begins_with_the_version_and_keeps_the_order_of_the_schema():
    config = {
        "dns": {"timeout": 5, "mx_records": ["mx.example.com"]},
        "postal": {"use_ip_pools": True, "web_hostname": "postal.example.com"},
    }
    assert render(config) == (
        "version: 2\n"
        "\n"
        "postal:\n"
        '  web_hostname: "postal.example.com"\n'
        "  use_ip_pools: true\n"
        "\n"
        "dns:\n"
        "  mx_records:\n"
        '  - "mx.example.com"\n'
        "  timeout: 5\n"
    )


def test_nothing_empty_is_written():
    assert render({"smtp": {}, "gelf": {"host": None}}) == "version: 2\n"
    assert render({}) == "version: 2\n"


def test_secrets_are_revealed_in_the_file_only():
    assert yaml.safe_load(render({"smtp": {"password": Secret(CANARY)}}))["smtp"] == {
        "password": CANARY
    }


def test_the_same_list_twice_is_written_twice():
    names = ["mx.example.com"]
    assert "*" not in render({"dns": {"mx_records": names}, "oidc": {"scopes": names}})


def test_a_given_version_is_not_repeated():
    assert render({"version": 2, "dns": {"timeout": 5}}).count("version") == 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(AWKWARD)
GROUPS = st.sampled_from([*SCHEMA]) | TEXTS.filter(lambda name: name != "version")
FILES = st.dictionaries(GROUPS, st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS), min_size=1))


@given(FILES)
def test_every_text_survives(config):
    assert yaml.safe_load(render(config)) == {"version": 2} | config


def test_every_awkward_text_survives_in_ruby():
    # YAML has no way to write NUL that JSON and Ruby's arguments share, hence by number.
    config = {
        "smtp": {f"key{number}": text for number, text in enumerate(AWKWARD)},
        "no": {"y": "n"},
    }
    script = 'require "yaml"; require "json"; puts JSON.generate(YAML.safe_load($stdin.read))'
    ruby = subprocess.run(
        ["ruby", "-Eutf-8:utf-8", "-e", script],
        input=render(config).encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(ruby.stdout) == {"version": 2} | config
