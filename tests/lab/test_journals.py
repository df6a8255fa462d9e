"""After everything: no errors in the hosts' journals but those that the tests provoked."""

import re

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine

# Pattern -> why it may be there.
EXPECTED = {
    r"pam_env.*Unable to open env file: /etc/default/locale": "Debian without the package locales",
    r"sshd.*(kex_exchange|Connection reset|fatal|preauth child)": "tests cut logins off",
    r"sudo.*nosudo": "a test logs in as a user whom sudo refuses",
    r"pam_systemd.*Failed to release session": "logind forgot a login that ended at once",
    r"systemd.*mailfleet-access-rollback": "a test lets it put the former state back",
}


@pytest.mark.parametrize("name", ["postal1", "mx1", "postal2", "postal3"])
def test_the_journal_holds_no_error_of_ours(deployed: Operator, lab: Lab, name: str) -> None:
    lines = Machine(lab, name).run("journalctl --no-pager -q -p err -o short -b").splitlines()
    ours = [line for line in lines if not any(re.search(pattern, line) for pattern in EXPECTED)]
    assert ours == []
