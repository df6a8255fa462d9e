"""`python -m email_api` starts the service; with arguments, see `client`."""

import os
import sys

from email_api import logs
from email_api.settings import Settings, SettingsError, from_environment


def main() -> None:
    """Entry point of the container."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"email-api: {error}")
    if len(sys.argv) > 1:
        from email_api.client import run

        sys.exit(run(settings, sys.argv[1:]))
    _serve(settings)


def _serve(settings: Settings) -> None:
    import uvicorn

    from email_api.app import create_app
    from email_api.migrate import migrate

    logs.set_up()
    migrate(settings.database_url)
    uvicorn.run(
        create_app(settings),
        host=settings.address,
        port=settings.port,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
