"""What stands where in a running lab with everything deployed, and what to type next."""

from lab.state import Lab

_GUIDE = """
What stands where
  postal1    {postal1}   Postal (web, SMTP, worker), MariaDB, Caddy
  mx1        {mx1}   docker-mailserver, e-mail API, its database and Valkey; as Lightsail gives it
  postal2    {postal2}   an empty server
  ns1        {ns1}    authoritative DNS of lab.test and internet.test, and the resolver
  internet1  {internet1}    the rest of the world: receives mail, issues certificates (ACME)
  registry   {registry}    container images

Open Postal's page
  curl --cacert .lab/acme-root.pem --resolve postal.lab.test:443:{postal1} \\
      https://postal.lab.test/login
  In a browser on this machine: add `{postal1} postal.lab.test` to /etc/hosts and open
  https://postal.lab.test/ (certificates are signed by .lab/acme-root.pem). From elsewhere:
  forward port 443 to 127.0.0.1:{web_port} of this machine.
  User admin@lab.test; its password: age -d -i .lab/identity.txt .lab/secrets.age

What to type next
  .venv/bin/pyinfra inventories/lab.py deploys/site.py --dry     nothing is pending
  .venv/bin/mailfleet lab ssh postal1                            change something by hand ...
  .venv/bin/mailfleet drift inventories/lab.py                   ... and see it named
  .venv/bin/pyinfra inventories/lab.py deploys/site.py           put it right
  .venv/bin/mailfleet health inventories/lab.py                  how everything is
  .venv/bin/mailfleet report inventories/lab.py -o report.html   all of it on one page
  .venv/bin/mailfleet lab mail                                   mail through mx1, and its way
  make down                                                      remove the lab
"""


def guide(lab: Lab) -> str:
    """The text that ends `make demo`."""
    addresses = {name: host.address for name, host in lab.hosts.items()}
    addresses.setdefault("registry", "-")
    return _GUIDE.format(web_port=lab.hosts["postal1"].ports["443"], **addresses)
