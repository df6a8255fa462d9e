"""From a provider's servers to the groups of an inventory."""

import pytest

from mailfleet.deploying.inventory import inventory_groups
from mailfleet.providers.servers import ProviderError, Server


def server(name="mx1", roles="mailserver", **fields) -> Server:
    labels = {"mailfleet": roles, **fields.pop("labels", {})}
    return Server(name, "nbg1", **{"public_ipv4": "192.0.2.1", "labels": labels, **fields})


@pytest.mark.parametrize("roles", ["caddy.mailserver", "mailserver caddy", " mailserver. caddy."])
def test_roles_are_joined_by_dots_or_spaces(roles):
    groups = inventory_groups([server(roles=roles)])
    assert list(groups) == ["caddy", "mailserver"]


def test_host_data_holds_what_is_known():
    full = server(
        public_ipv6="2001:db8::1",
        private_ipv4="10.0.0.2",
        ssh_user="admin",
        labels={"mailfleet-fqdn": "mx1.example.com"},
    )
    assert inventory_groups([full])["mailserver"] == [
        (
            "mx1",
            {
                "ssh_hostname": "192.0.2.1",
                "ssh_user": "admin",
                "host_fqdn": "mx1.example.com",
                "host_public_ipv4": "192.0.2.1",
                "host_public_ipv6": "2001:db8::1",
                "host_private_ipv4": "10.0.0.2",
            },
        )
    ]
    bare = inventory_groups([server()])["mailserver"]
    assert bare == [("mx1", {"ssh_hostname": "192.0.2.1", "host_public_ipv4": "192.0.2.1"})]


def test_a_server_named_by_its_fqdn_needs_no_label():
    (_, data) = inventory_groups([server("mx1.example.com")])["mailserver"][0]
    assert data["host_fqdn"] == "mx1.example.com"


def test_a_server_without_ipv4_is_reached_over_ipv6():
    only_ipv6 = server(public_ipv4=None, public_ipv6="2001:db8::1")
    (_, data) = inventory_groups([only_ipv6])["mailserver"][0]
    assert data == {"ssh_hostname": "2001:db8::1", "host_public_ipv6": "2001:db8::1"}


@pytest.mark.parametrize(
    ("servers", "complaint"),
    [
        ([server(roles="")], "mx1 has no role: give it a label such as mailfleet=postal"),
        ([server(roles=" . ")], "mx1 has no role"),
        ([server(roles="postal_wbe")], "unknown role postal_wbe, did you mean postal_web?"),
        ([server(roles="caddy.zzz")], "unknown role zzz; such as"),
        ([server(public_ipv4=None)], "mx1 has no public address"),
        ([server(), server()], r"two servers are called mx1 \(nbg1 and nbg1\)"),
    ],
)
def test_what_makes_no_inventory(servers, complaint):
    with pytest.raises(ProviderError, match=complaint) as caught:
        inventory_groups(servers)
    assert "\n" not in str(caught.value)
