"""Check the TXT records of MTA-STS (RFC 8461) and TLS reports (RFC 8460)."""

import re
from collections.abc import Callable, Sequence

from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.dmarc import is_report_uri
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Lookups, query

_Fields = Sequence[tuple[str, str]]
_Fault = Callable[[_Fields, _Fields], str]
"""Fields seen and wanted -> what is wrong with those seen."""
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
# Both standards have the same grammar, narrower than that of DKIM and DMARC: no space around `=`.
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)\Z")

_HTTPS = re.compile(r"https://[a-z0-9.-]+\.[a-z0-9-]+(:\d+)?([/?]\S*)?\Z", re.IGNORECASE)


class _InvalidFieldsError(ValueError):
    pass


def check_sts(record: Record) -> Lookups[list[Finding]]:
    """One record with an id (RFC 8461 section 3.1). Another id than ours says that the policy is
    another one, or that nobody told senders of a new one."""
    return (yield from _one(record, "mta-sts", "v=STSv1", _sts_fault))


def check_tls_reports(record: Record) -> Lookups[list[Finding]]:
    """One record with a place to send reports to (RFC 8460 section 3)."""
    return (yield from _one(record, "tls-rpt", "v=TLSRPTv1", _reports_fault))


def _one(record: Record, check: str, version: str, fault: _Fault) -> Lookups[list[Finding]]:
    answer = yield from query(record.name, "TXT")
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    texts = [text for text in answer.values if re.match(rf"{version}[ \t]*(;|\Z)", text)]
    shown = ", ".join(answer.values)
    if len(texts) != 1:
        # Senders act as if there were none (RFC 8461 section 3.1, RFC 8460 section 3).
        found = f"{len(texts)} records that begin with {version}: {shown}"
        return [of_record(record, check, Verdict.FAIL, found)]
    try:
        reason = fault(_fields(texts[0]), _fields(record.values[0]))
    except _InvalidFieldsError as error:
        reason = str(error)
    verdict = Verdict.FAIL if reason else Verdict.OK
    return [of_record(record, check, verdict, f"{shown}: {reason}" if reason else shown)]


def _fields(text: str) -> _Fields:
    """What follows the version. Raises _InvalidFieldsError."""
    parts = [part.strip(" \t") for part in text.split(";")[1:]]
    if parts and not parts[-1]:
        parts.pop()
    fields = []
    for part in parts:
        field = _FIELD.match(part)
        # Each address of reports is looked at on its own; there are spaces beside their commas.
        name, value = field.groups() if field else ("rua", part[4:])
        if field is None and not part.startswith("rua="):
            raise _InvalidFieldsError(f"not a field: {part[:40]!r}")
        fields.append((name, value))
    return fields


def _sts_fault(published: _Fields, desired: _Fields) -> str:
    ids = [value for name, value in published if name == "id"]
    if len(ids) != 1 or not _ID.match(ids[0]):
        return "there is not one id= of 1 to 32 letters and digits"
    return "" if ("id", ids[0]) in desired else "not the id of the policy that the fleet serves"


def _reports_fault(published: _Fields, desired: _Fields) -> str:
    # More than one rua is allowed (RFC 8460 section 3).
    lists = [value for name, value in published if name == "rua"]
    places = [place.strip() for value in lists for place in value.split(",")]
    if not places or not all(map(_is_place, places)):
        return "rua= is no list of mailto: and https: addresses"
    return ""


def _is_place(uri: str) -> bool:
    if is_report_uri(uri):
        return "!" not in uri
    return _HTTPS.match(uri) is not None
