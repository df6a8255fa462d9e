"""Mail through Postal: an organization to send for, messages, and what arrives outside."""

import smtplib
import ssl
import uuid
from dataclasses import dataclass
from email.message import EmailMessage

from lab.state import Lab
from tests.lab.hosts import Machine, until
from tests.lab.web import lab_context

SENDER = "test@lab.test"

# As Postal's own console would do it; harmless when it is there.
_PROVISION = """
organization = Organization.find_or_initialize_by(permalink: "lab-tests")
if organization.new_record?
  organization.name = "Lab tests"
  organization.owner = User.first
  organization.save!
end
server = organization.servers.find_or_initialize_by(name: "Lab tests")
server.mode = "Live"
server.save!
domain = server.domains.find_or_initialize_by(name: "lab.test")
domain.verification_method = "DNS"
domain.verified_at ||= Time.now
# The lab's zone has no records of it. Postal never looks again, since nobody let it look at first.
domain.spf_status = domain.dkim_status = "OK"
domain.save!
credential = server.credentials.find_or_initialize_by(name: "tests", type: "SMTP")
credential.save!
puts "key=#{credential.key} server=#{server.id}"
"""


def runner(machine: Machine, script: str) -> str:
    """Run Ruby in Postal's runner, the script on standard input."""
    return machine.run(
        "cd /opt/postal && docker compose run --rm -T --quiet-pull runner "
        f"bundle exec rails runner - 2>/dev/null <<'END_OF_RUBY'\n{script}\nEND_OF_RUBY"
    )


@dataclass(frozen=True)
class MailServer:
    """A mail server in Postal with a credential for SMTP."""

    lab: Lab
    key: str
    number: int

    def session(self, port: int = 2525, context: ssl.SSLContext | None = None) -> smtplib.SMTP:
        """An SMTP session after STARTTLS with a verified certificate."""
        session = smtplib.SMTP(timeout=20)
        # The name that the certificate must be for.
        session._host = "mx.postal.lab.test"  # type: ignore[attr-defined]
        session.connect(self.lab.hosts["postal1"].address, port)
        session.starttls(context=context or lab_context(self.lab))
        session.ehlo("internet.test")
        return session

    def send(self, recipient: str) -> str:
        """Submit a message on port 2525 with a password; its subject, which is unique."""
        message = EmailMessage()
        message["From"], message["To"] = SENDER, recipient
        message["Subject"] = subject = f"lab test {uuid.uuid4()}"
        message.set_content("Sent by mailfleet's lab tests.\n")
        with self.session() as session:
            session.login("lab-tests/lab-tests", self.key)
            session.send_message(message)
        return subject


def provision(lab: Lab, machine: Machine) -> MailServer:
    """An organization with a server, a domain and a credential."""
    answer = runner(machine, _PROVISION).splitlines()[-1]
    values = dict(pair.split("=", 1) for pair in answer.split())
    return MailServer(lab, values["key"], int(values["server"]))


def arrived(internet1: Machine, mark: str) -> list[str]:
    """Files of the mailbox outside that hold a message with this mark."""
    answer = internet1.ask(f"grep -r -l -F -- '{mark}' ~inbox/Maildir/new ~inbox/Maildir/cur")
    return answer.output.split()


def wait_for(internet1: Machine, mark: str) -> str:
    """The message with this mark, such as its subject, once it has arrived outside."""
    (file,) = until(lambda: arrived(internet1, mark), f"{mark} arrives outside", 90)
    return internet1.run(f"cat {file}")
