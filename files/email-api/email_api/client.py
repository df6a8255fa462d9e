"""Asks the running service, from inside its container, where the tokens are.

live            exit code 0 when the process answers
aliases get     the digest of all aliases
aliases put     make the aliases on standard input (the JSON body of PUT) the aliases
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from email_api.settings import Settings

_SECONDS = 30


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    try:
        return _run(settings, list(arguments))
    except urllib.error.HTTPError as error:
        print(f"email-api: {error.code} {error.read().decode(errors='replace')}", file=sys.stderr)
    except OSError as error:
        print(f"email-api: {error}", file=sys.stderr)
    return 1


def _run(settings: Settings, arguments: list[str]) -> int:
    if arguments == ["live"]:
        _ask(settings, "GET", "/health/live")
    elif arguments == ["aliases", "get"]:
        print(json.loads(_ask(settings, "GET", "/v1/admin/aliases"))["digest"])
    elif arguments == ["aliases", "put"]:
        body = sys.stdin.buffer.read()
        print(json.loads(_ask(settings, "PUT", "/v1/admin/aliases", body))["digest"])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


def _ask(settings: Settings, method: str, path: str, body: bytes | None = None) -> bytes:
    scheme = "https" if settings.tls_certificate else "http"
    # Loopback, where the certificate has another name.
    context = ssl._create_unverified_context()
    request = urllib.request.Request(
        f"{scheme}://127.0.0.1:{settings.port}{path}",
        data=body,
        method=method,
        headers={
            "Authorization": f"Bearer {settings.admin_token}",
            "Content-Type": "application/json",
        },
    )
    answer: bytes = urllib.request.urlopen(request, timeout=_SECONDS, context=context).read()
    return answer
