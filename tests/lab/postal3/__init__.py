"""Tests that change postal3 only: a second Postal, on an extra host, for deploys that fail."""

HOST = "postal3"
# Two names that the lab's DNS gives to every extra host.
SITE, SMTP = "postal-3.lab.test", "postal3.lab.test"

# A fleet of this host alone.
FLEET = f"""
hosts[{HOST!r}] = dict(_lab["_host"]({HOST!r})[1])
groups = {{role: [{HOST!r}] for role in ("postal", "database", "caddy")}}
settings.update(
    postal_web_hostname={SITE!r},
    postal_smtp_hostname={SMTP!r},
    postal_helo_hostname={SMTP!r},
    postal_track_domains=[],
)
"""
