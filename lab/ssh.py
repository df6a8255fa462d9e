"""How to log in to a host of the lab."""

from lab.state import Lab, LabError


def arguments(lab: Lab, host: str) -> list[str]:
    """Of ssh(1), up to the command. Raises LabError."""
    if host not in lab.hosts:
        raise LabError(f"no host {host} in the lab: there are {', '.join(lab.hosts)}")
    target = lab.hosts[host]
    found = ["ssh", "-F", "none", "-i", str(lab.key_file), "-p", str(target.ssh_port)]
    for option in (
        f"UserKnownHostsFile={lab.known_hosts_file}",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
    ):
        found += ["-o", option]
    return [*found, f"{target.ssh_user}@127.0.0.1"]
