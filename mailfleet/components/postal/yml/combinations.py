"""What Postal accepts and then does not do: values that only go wrong together."""

from collections.abc import Iterator, Mapping
from typing import Any

from mailfleet.components.postal.yml.problem import Problem
from mailfleet.components.postal.yml.schema import find
from mailfleet.components.postal.yml.values import is_of


class Values:
    """What a configuration gives, by path; wrong types count as not given."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config

    def given(self, path: str) -> bool:
        key = find(path)
        return key is not None and is_of(key.type, self._raw(path))

    def get(self, path: str) -> Any:
        """The value given, else Postal's default."""
        key = find(path)
        return self._raw(path) if self.given(path) else key.default if key else None

    def _raw(self, path: str) -> object:
        group, _, name = path.partition(".")
        content = self._config.get(group)
        return content.get(name) if isinstance(content, Mapping) else None


def combinations(values: Values) -> Iterator[Problem]:
    """What Postal accepts and then does not do."""
    yield from _forgotten_switches(values)
    yield from _oidc_combinations(values)
    yield from _limits(values)
    if values.get("rspamd.enabled") and values.get("spamd.enabled"):
        yield Problem("spamd.enabled", True, "with rspamd on Postal never asks spamd", "use one")
    if values.given("smtp.username") != values.given("smtp.password"):
        lacks = "smtp.password" if values.given("smtp.username") else "smtp.username"
        yield Problem(
            lacks, None, "user and password only work together", "give both or leave both out"
        )


# Path of the switch -> keys that do nothing without it. A switch that says false is meant.
_SWITCHES = {
    "rspamd.enabled": ("rspamd.host", "rspamd.port", "rspamd.password", "rspamd.flags"),
    "spamd.enabled": ("spamd.host", "spamd.port"),
    "clamav.enabled": ("clamav.host", "clamav.port"),
    "smtp_server.tls_enabled": (
        "smtp_server.tls_certificate_path",
        "smtp_server.tls_private_key_path",
    ),
    "migration_waiter.enabled": ("migration_waiter.attempts", "migration_waiter.sleep_time"),
    "oidc.enabled": ("oidc.issuer", "oidc.identifier", "oidc.secret"),
    "gelf.host": ("gelf.port", "gelf.facility"),
}


def _forgotten_switches(values: Values) -> Iterator[Problem]:
    for switch, keys in _SWITCHES.items():
        idle = [key for key in keys if values.given(key)]
        if idle and not values.given(switch):
            remedy = f"set it, or leave out {', '.join(idle)}"
            yield Problem(switch, None, f"not given: without it {idle[0]} does nothing", remedy)


def _oidc_combinations(values: Values) -> Iterator[Problem]:
    enabled = values.get("oidc.enabled")
    if not enabled:
        if not values.get("oidc.local_authentication_enabled"):
            yield Problem(
                "oidc.local_authentication_enabled",
                False,
                "nobody could log in: OpenID Connect is off",
                "set oidc.enabled: true or leave this out",
            )
        return
    if "openid" not in values.get("oidc.scopes"):
        yield Problem(
            "oidc.scopes",
            values.get("oidc.scopes"),
            "without openid it is no OpenID Connect (Core 1.0 section 3.1.2.1)",
            "add openid",
        )
    discovery = values.get("oidc.discovery")
    endpoints = [f"oidc.{name}" for name in _OIDC_ENDPOINTS]
    needed = ["oidc.issuer", "oidc.identifier", "oidc.secret"] + ([] if discovery else endpoints)
    for path in needed:
        if not values.given(path):
            message = "not given: logging in with OpenID Connect would fail"
            yield Problem(path, None, message, "set it")
    for path in endpoints:
        if discovery and values.given(path):
            yield Problem(
                path,
                values.get(path),
                "Postal ignores it while discovery is on",
                "leave it out or set oidc.discovery: false",
            )


_OIDC_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


def _limits(values: Values) -> Iterator[Problem]:
    spam, failure = "postal.default_spam_threshold", "postal.default_spam_failure_threshold"
    if values.get(failure) < values.get(spam):
        yield Problem(
            failure,
            values.get(failure),
            f"below {spam}: mail is refused before it counts as spam",
            f"give more than {values.get(spam)}",
        )
    if values.get("web_server.max_threads") > values.get("main_db.pool_size"):
        yield Problem(
            "main_db.pool_size",
            values.get("main_db.pool_size"),
            "fewer connections than web_server.max_threads: requests wait and time out",
            f"give {values.get('web_server.max_threads')} or more",
        )
    health = "smtp_server.default_health_server_port"
    if values.get(health) == values.get("smtp_server.default_port"):
        yield Problem(
            health,
            values.get(health),
            "the SMTP server's own port: its health page would be left out without an error",
            "give another port",
        )
