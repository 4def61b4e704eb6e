"""Which addresses lie on the public internet, and which inside somebody's network, perhaps ours.

By tables of our own: what Python's `ipaddress` calls global differs between its versions, and knows
neither the services that clouds offer to their machines nor every way to write an IPv4 address into
an IPv6 one. Sources: IANA's registries of special-purpose addresses for IPv4 and IPv6, of October
2025, with the RFC of each entry; for the clouds, their documentation.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network: RFC 791
            "10.0.0.0/8",  # private: RFC 1918
            "100.64.0.0/10",  # behind a carrier's NAT: RFC 6598; Alibaba's 100.100.100.200
            "127.0.0.0/8",  # loopback: RFC 1122
            "169.254.0.0/16",  # link-local: RFC 3927; the metadata of most clouds
            "172.16.0.0/12",  # private: RFC 1918
            # IETF protocol assignments: RFC 6890. Two of them count as reachable (PCP, RFC 7723,
            # and TURN, RFC 8155): at the nearest router, which is ours. Oracle's 192.0.0.192.
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation: RFC 5737
            "192.88.99.0/24",  # relays of 6to4 and 6a44, nearest first: RFC 7526, RFC 6751
            "192.168.0.0/16",  # private: RFC 1918
            "198.18.0.0/15",  # benchmarks: RFC 2544
            "198.51.100.0/24",  # documentation: RFC 5737
            "203.0.113.0/24",  # documentation: RFC 5737
            "224.0.0.0/4",  # multicast: RFC 5771
            "240.0.0.0/4",  # reserved, and broadcast: RFC 1112, RFC 8190
            # Allotted to companies, and told apart from their public ones by these alone:
            "161.26.0.0/16",  # IBM Cloud, services for its machines: "Service endpoints for VPC"
            "166.8.0.0/14",  # IBM Cloud, likewise: "Cloud service endpoints"
            "168.63.129.16/32",  # Azure: "What is IP address 168.63.129.16?"
        ),
    )
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that is given out (RFC 4291). Outside it lie loopback, link-local, unique local (AWS's
fd00:ec2::254, Google's fd20:ce::254), site-local and multicast addresses, discarded ones (100::/64,
RFC 6666), dummies (100:0:0:1::/64, RFC 9780), segment identifiers (5f00::/16, RFC 9602), and IPv4
addresses in forms that no network carries: mapped, compatible and translated."""
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            # IETF protocol assignments: RFC 2928. Teredo, RFC 4380, whose end is any IPv4 address;
            # benchmarks, RFC 5180; ORCHID, RFC 4843 and 7343; PCP, TURN, SRP and AMT, which the
            # nearest router answers; tags of drones, RFC 9374. A web server has none of them.
            "2001::/23",
            "2001:db8::/32",  # documentation: RFC 3849
            "2002::/16",  # 6to4, whose end is any IPv4 address: RFC 3056, RFC 7526
            "3fff::/20",  # documentation: RFC 9637
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""The well-known prefix (RFC 6052), by which pods without IPv4 reach web servers that have nothing
else. The one for local use, 64:ff9b:1::/48 (RFC 8215), is outside `_GLOBAL_UNICAST`."""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The third quarter of an address that ends in the IPv4 address of a tunnel's end (RFC 5214)."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet.

    >>> [is_public(a) for a in ("93.184.216.34", "169.254.169.254", "64:ff9b::10.0.0.1")]
    [True, False, False]

    Raises:
        ValueError: it is no address.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    if ip in _NAT64:
        return is_public(str(_last_four_bytes(ip)))
    if ip not in _GLOBAL_UNICAST or any(ip in network for network in _NOT_PUBLIC_V6):
        return False
    is_tunnel = int(ip) >> 32 & 0xFFFFFFFF in _ISATAP
    return not is_tunnel or is_public(str(_last_four_bytes(ip)))


def _last_four_bytes(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFFFFFF)
