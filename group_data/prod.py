"""inventories/prod.py: what makes this fleet this fleet. It has the last word over the groups."""

from mailfleet.secrets import generate, secret

# One file that `age` can open; `mailfleet secrets init inventories/prod.py` makes it.
secrets_file = "secrets/prod.age"

postal_web_hostname = "postal.example.com"
postal_smtp_hostname = "mx.postal.example.com"
# The PTR record of 192.0.2.10 says this name.
postal_helo_hostname = "postal1.example.com"
postal_track_domains = ["click.example.com"]
# GlitchTip and others submit on 2525.
postal_smtp_ports = [25, 2525]
postal_admin_email = "postmaster@example.com"

mailserver_hostname = "mx1.example.com"
mailserver_domains = ["in.example.com"]
mailserver_postmaster = "postmaster@in.example.com"
mailserver_accounts = {"app@example.com": secret("mailserver/app", generate.password(32))}
mailserver_api_address = "203.0.113.30"

# Everyone else is refused; `@in.example.com` would take all of the domain.
email_api_aliases = {
    "postmaster@in.example.com": ["operator@example.org"],
    "sales@in.example.com": ["ann@example.org", "bob@example.org"],
}

caddy_acme_email = "postmaster@example.com"

# Any key of Postal's own configuration without a setting here, checked against its schema.
postal_config = {
    "postal": {"default_maximum_delivery_attempts": 18},
}
