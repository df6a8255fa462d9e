"""Health probes of the mailserver: SMTP, logins, configuration, certificates, hand-off, queue."""

from collections.abc import Iterator

from mailfleet.checks.certificate import expiry
from mailfleet.checks.outbound import outbound_probe
from mailfleet.checks.probe import AnyProbe, ExternalProbe, Limit, Probe
from mailfleet.checks.smtp import SmtpServer
from mailfleet.components.caddy.settings import CaddySettings
from mailfleet.components.health.settings import HealthSettings
from mailfleet.components.mailserver.configuration import CONFIG, PROBE_LOGIN, TLS
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.templates import render_script

_INSIDE = "docker exec mailserver"

_HANDOFF_IS_ACTIVE = (
    f'[ "$({_INSIDE} cat /etc/mailfleet-handoff)" = '
    f'"$(export LC_ALL=C; cd {CONFIG} && cat user-patches.sh handoff/* | sha256sum)" ]'
)
"""The image ignores the exit status of user-patches.sh, so its proof is compared with the files."""

_CONFIGURATION_IS_ACTIVE = (
    f"{_INSIDE} sha512sum --check --status /tmp/docker-mailserver-config-chksum"
)
"""The image keeps hashes of the watched files as it last applied them (change-detection.sh)."""


def _login(host: Host) -> str:
    """Shell that logs in to submission. The password is on curl's standard input, in no process
    list; the certificate has its own probe."""
    return (
        "curl --silent --show-error --max-time 20 --ssl-reqd --insecure --request NOOP --config - "
        f"smtp://127.0.0.1:587/{host.fqdn} <{PROBE_LOGIN} >/dev/null"
    )


_FILE = f"{TLS}/certificate.pem"
_OF_FILE = f"openssl x509 -noout -in {_FILE}"


def _remedy(settings: MailserverSettings) -> str:
    if settings.tls == "given":
        return "give another certificate in mailserver_certificate and deploy again"
    return "run `/opt/mailserver/bin/certificate install 60` and read its output"


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """Health probes of this component, run on the host and from the control machine."""
    settings = host[MailserverSettings]
    return (
        Probe(
            "SMTP on port 25",
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/25 && read -r -t 5 line <&3 && "
            'echo "$line" && printf "QUIT\\r\\n" >&3\' | tr -d "\\r" | grep \'^220\'',
            "read `docker logs mailserver`",
        ),
        Probe(
            "submission",
            f"{_login(host)} && echo '{settings.probe_account} can log in'",
            "read `docker logs mailserver`; deploy again",
        ),
        _processes(settings),
        _active(
            "user-patches.sh",
            _HANDOFF_IS_ACTIVE,
            "it did not finish in the container",
        ),
        _active(
            "watched files",
            _CONFIGURATION_IS_ACTIVE,
            "the image has not applied the changes",
        ),
        *(_serves(port, starttls) for port, starttls in _TLS_PORTS.items()),
        Probe(
            "certificate",
            f'echo "valid until $({_OF_FILE} -enddate | cut -d= -f2)"; '
            f"{expiry(_OF_FILE, warn_days=7)}",
            _remedy(settings),
            gate_exempt="it depends on its CA and on time",
        ),
        _handoff(host),
        Probe(
            "queue",
            render_script("mailserver/probes/queue.sh"),
            "run `mailfleet queue INVENTORY`, which shows why each message waits",
            limit=_QUEUE_AGE,
        ),
        *_outbound(host),
        *_from_outside(host),
    )


def _active(name: str, holds: str, otherwise: str) -> Probe:
    return Probe(
        name, f"{holds} && echo 'active' || {{ echo '{otherwise}'; exit 1; }}", "deploy again"
    )


# A message to a server elsewhere that is down or greylists waits for hours, and nothing is wrong
# here. Postfix itself gives up after 5 days (postconf(5), maximal_queue_lifetime): after one there
# is time left to act. An e-mail API that takes nothing is reported at once by its own probe.
_QUEUE_AGE = Limit(14_400, 86_400, " s")


def _processes(settings: MailserverSettings) -> Probe:
    """Of the image's supervisord, those that the settings enable."""
    processes = ["postfix", "dovecot", *(["rspamd"] if settings.rspamd else [])]
    return Probe(
        "processes",
        f"states=$({_INSIDE} supervisorctl status {' '.join(processes)}); "
        'bad=$(echo "$states" | awk \'$2 != "RUNNING" {print $1, $2}\'); '
        f"[ -z \"$bad\" ] && echo '{', '.join(processes)} run' || {{ echo $bad; exit 1; }}",
        "`docker exec mailserver supervisorctl tail PROCESS`, `docker restart mailserver`",
    )


def _from_outside(host: Host) -> Iterator[ExternalProbe]:
    """SMTP as other mail servers and applications reach it."""
    settings = host[MailserverSettings]
    if address := host[HostSettings].public_ipv4:
        for port, auth in ((25, False), (465, True), (587, True)):
            server = SmtpServer(str(address), port, tls=True, auth=auth, tls_first=port == 465)
            greets, refuses_strangers = server.probes("`docker logs mailserver`")
            yield greets
            # fail2ban counts "Relay access denied" (filter.d/postfix.conf), and with the image's
            # jail.local it would ban this machine for a week at the sixth time.
            if not settings.fail2ban:
                yield refuses_strangers
            # Who submits holds the chain against the name; other mail servers do not. An authority
            # of Caddy's own is trusted by nobody here.
            if auth and not (settings.tls == "caddy" and host[CaddySettings].tls == "internal"):
                yield server.certificate(settings.hostname, host[HealthSettings].ca_file)


def _outbound(host: Host) -> Iterator[Probe]:
    """Without a smarthost, mail of users is sent straight to its MX."""
    preflight = host[PreflightSettings]
    if not host[MailserverSettings].relay_host and "outbound-25" not in preflight.accept:
        yield outbound_probe(
            preflight.outbound_host, preflight.outbound_port, "mailserver_relay_host"
        )


_TLS_PORTS = {25: "smtp", 465: "", 587: "smtp"}


def _serves(port: int, starttls: str) -> Probe:
    """A renewed certificate must also be served."""
    return Probe(
        f"certificate on port {port}",
        render_script(
            "mailserver/probes/served-certificate.sh",
            PORT=port,
            STARTTLS=starttls,
            CERTIFICATE=_FILE,
        ),
        "read `docker logs mailserver`; deploy again",
    )


def _handoff(host: Host) -> Probe:
    other = "the API is another component and may be on another host"
    remedy = "mail waits in the queue until the API answers: check the API, its address and key"
    if host[MailserverSettings].handoff == "lmtp":
        return Probe(
            "e-mail API",
            f"{_INSIDE} bash -c 'exec 3<>/dev/tcp/email-api/2400 && read -r -t 5 line <&3 && "
            'echo "$line" && printf "QUIT\\r\\n" >&3\' | tr -d "\\r" | grep \'^220 \'',
            remedy,
            gate_exempt=other,
        )
    return Probe(
        "e-mail API",
        f"code=$({_INSIDE} curl --disable --config /etc/curl-email.conf --max-time 10 "
        "--write-out '%{http_code}' --data '' https://email-api/v1/email/check); "
        '[ "$code" = 204 ] && echo \'takes the key\' || { echo "answers $code"; exit 1; }',
        remedy,
        gate_exempt=other,
    )
