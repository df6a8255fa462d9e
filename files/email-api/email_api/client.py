"""Usage: python -m email_api [COMMAND], inside the container, where the tokens are.

live            check that the service responds
aliases get     print the digest of all aliases
aliases put     replace all aliases by the JSON document on standard input (see PUT
                /v1/admin/aliases); print the new digest

Exit codes: 0 success, 1 failure, 2 usage error. Without a command, the service starts.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from email_api.settings import Settings

_TIMEOUT_SECONDS = 30


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Run one command. Returns the exit code."""
    try:
        return _run(settings, list(arguments))
    except urllib.error.HTTPError as error:
        print(f"email-api: {error.code} {error.read().decode(errors='replace')}", file=sys.stderr)
    except OSError as error:
        print(f"email-api: {error}", file=sys.stderr)
    return 1


def _run(settings: Settings, arguments: list[str]) -> int:
    if arguments == ["live"]:
        _request(settings, "GET", "/health/live")
    elif arguments == ["aliases", "get"]:
        print(json.loads(_request(settings, "GET", "/v1/admin/aliases"))["digest"])
    elif arguments == ["aliases", "put"]:
        body = sys.stdin.buffer.read()
        print(json.loads(_request(settings, "PUT", "/v1/admin/aliases", body))["digest"])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


def _request(settings: Settings, method: str, path: str, body: bytes | None = None) -> bytes:
    scheme = "https" if settings.tls_certificate else "http"
    # The certificate is not valid for the loopback address.
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
    response: bytes = urllib.request.urlopen(
        request, timeout=_TIMEOUT_SECONDS, context=context
    ).read()
    return response
