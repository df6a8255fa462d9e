"""An example fleet, to copy and change: one Hetzner host that sends, one Lightsail host that
receives. `mailfleet settings inventories/prod.py` shows what each host gets.

Every list is a group; the groups that give a host its roles are
    postal (or postal_web, postal_smtp, postal_worker), database, caddy, mailserver, server.
Settings of a group stand in group_data/<group>.py, those of all hosts in group_data/all.py, and
those of this inventory in group_data/prod.py, which has the last word. What is true of one host
only stands beside its name.
"""

_postal1 = (
    "postal1.example.com",
    {
        "ssh_user": "root",
        "host_fqdn": "postal1.example.com",
        "host_public_ipv4": "192.0.2.10",
        "host_public_ipv6": "2001:db8::10",
    },
)

_mx1 = (
    "mx1.example.com",
    {
        # Lightsail's Debian images let `admin` in, who may use sudo.
        "ssh_user": "admin",
        "_sudo": True,
        "host_fqdn": "mx1.example.com",
        "host_public_ipv4": "198.51.100.20",
    },
)

# Hetzner: the sending platform, whole on one host. To spread it, move hosts from `postal` to
# postal_web, postal_smtp and postal_worker, and give each a host_private_ipv4.
postal = [_postal1]
database = [_postal1]
# On mx1 Caddy is there for the mailserver's certificate only.
caddy = [_postal1, _mx1]

# Lightsail: SMTP ingress.
mailserver = [_mx1]
