"""Which addresses are asked for photographs: none that IANA keeps for a purpose, in any form."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.storage.web.hosts import PublicResolver, WebPolicy
from pipeline.storage.web.networks import is_public
from pipeline.storage.web.request_targets import request_url

NOT_REACHABLE = """
0.0.0.0/8           this network                              RFC 791
0.0.0.0/32          this host on this network                 RFC 1122
10.0.0.0/8          private use                               RFC 1918
100.64.0.0/10       shared address space                      RFC 6598
127.0.0.0/8         loopback                                  RFC 1122
169.254.0.0/16      link-local                                RFC 3927
172.16.0.0/12       private use                               RFC 1918
192.0.0.0/24        IETF protocol assignments                 RFC 6890
192.0.0.0/29        IPv4 service continuity prefix            RFC 7335
192.0.0.8/32        IPv4 dummy address                        RFC 7600
192.0.0.170/32      NAT64/DNS64 discovery                     RFC 8880
192.0.0.171/32      NAT64/DNS64 discovery                     RFC 8880
192.0.2.0/24        documentation (TEST-NET-1)                RFC 5737
192.88.99.0/24      deprecated 6to4 relay anycast             RFC 7526
192.88.99.2/32      6a44 relay anycast                        RFC 6751
192.168.0.0/16      private use                               RFC 1918
198.18.0.0/15       benchmarking                              RFC 2544
198.51.100.0/24     documentation (TEST-NET-2)                RFC 5737
203.0.113.0/24      documentation (TEST-NET-3)                RFC 5737
224.0.0.0/4         multicast                                 RFC 5771
240.0.0.0/4         reserved                                  RFC 1112
255.255.255.255/32  limited broadcast                         RFC 8190
::1/128             loopback                                  RFC 4291
::/128              unspecified                               RFC 4291
::ffff:0:0/96       IPv4-mapped                               RFC 4291
64:ff9b:1::/48      IPv4-IPv6 translation, local use          RFC 8215
100::/64            discard-only                              RFC 6666
100:0:0:1::/64      dummy prefix                              RFC 9780
2001::/23           IETF protocol assignments                 RFC 2928
2001::/32           Teredo                                    RFC 4380
2001:2::/48         benchmarking                              RFC 5180
2001:10::/28        deprecated ORCHID                         RFC 4843
2001:db8::/32       documentation                             RFC 3849
2002::/16           6to4                                      RFC 3056
3fff::/20           documentation                             RFC 9637
5f00::/16           segment routing identifiers               RFC 9602
fc00::/7            unique local                              RFC 4193
fe80::/10           link-local unicast                        RFC 4291
fec0::/10           deprecated site-local                     RFC 3879
ff00::/8            multicast                                 RFC 4291
"""
"""The registries' entries that are not globally reachable, or of which they do not say (N/A)."""

OF_THE_NEAREST = """
192.0.0.9/32        port control protocol anycast             RFC 7723
192.0.0.10/32       TURN anycast                              RFC 8155
2001:1::1/128       port control protocol anycast             RFC 7723
2001:1::2/128       TURN anycast                              RFC 8155
2001:1::3/128       DNS-SD service registration anycast       RFC 9665
2001:3::/32         AMT                                       RFC 7450
2001:4:112::/48     AS112-v6                                  RFC 7535
2001:20::/28        ORCHIDv2                                  RFC 7343
2001:30::/28        drone remote identification               RFC 9374
"""
"""Reachable by the registries, and refused: no web server has them, and routers of ours may."""

REACHABLE = """
192.31.196.0/24     AS112-v4                                  RFC 7535
192.52.193.0/24     AMT                                       RFC 7450
192.175.48.0/24     direct delegation AS112                   RFC 7534
2620:4f:8000::/48   direct delegation AS112                   RFC 7534
"""

OF_CLOUDS = """
169.254.169.254/32       metadata of AWS, Azure, Google, Oracle, IBM, DigitalOcean
169.254.170.2/32         credentials of a container, AWS ECS
169.254.170.23/32        credentials of a pod, AWS EKS
fd00:ec2::254/128        metadata, AWS
fd00:ec2::23/128         credentials of a pod, AWS EKS
fd20:ce::254/128         metadata, Google
fd00:c1::a9fe:a9fe/128   metadata, Oracle
192.0.0.192/32           metadata, Oracle Cloud at Customer
168.63.129.16/32         services of the host, Azure
100.100.100.200/32       metadata, Alibaba
169.254.0.23/32          metadata, Tencent
161.26.0.0/16            services for machines, IBM
166.8.0.0/14             endpoints of services, IBM
fe80::a9fe:a9fe/128      metadata, OpenStack
"""


def blocks(table: str) -> list[str]:
    return [line.split()[0] for line in table.strip().splitlines()]


def within(block: str) -> list[str]:
    network = ip_network(block)
    middle = network.network_address + network.num_addresses // 2
    return [str(network.network_address), str(middle), str(network.broadcast_address)]


@pytest.mark.parametrize("block", blocks(NOT_REACHABLE + OF_THE_NEAREST.lstrip()))
def test_what_the_registries_keep_for_a_purpose_is_not_asked(block: str) -> None:
    assert [address for address in within(block) if is_public(address)] == []


@pytest.mark.parametrize("block", blocks(OF_CLOUDS))
def test_services_that_clouds_offer_to_their_machines_are_not_asked(block: str) -> None:
    assert [address for address in within(block) if is_public(address)] == []


@pytest.mark.parametrize("block", blocks(REACHABLE))
def test_what_the_registries_call_reachable_is(block: str) -> None:
    assert [address for address in within(block) if not is_public(address)] == []


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "168.63.129.15",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450:4001::200e",
    ],
)
def test_their_neighbours_are_on_the_internet(address: str) -> None:
    assert is_public(address)


FORMS = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "compatible": lambda v4: v4,
    "translated": lambda v4: 0xFFFF << 48 | v4,
    "NAT64": lambda v4: 0x64FF9B << 96 | v4,
    "local NAT64": lambda v4: 0x64FF9B0001 << 80 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "Teredo, server": lambda v4: 0x20010000 << 96 | v4 << 64,
    "Teredo, client": lambda v4: 0x20010000 << 96 | v4 ^ 0xFFFFFFFF,
    "ISATAP": lambda v4: 0x2A001450 << 96 | 0x00005EFE << 32 | v4,
    "ISATAP, global": lambda v4: 0x2A001450 << 96 | 0x02005EFE << 32 | v4,
}
"""The ways to write an IPv4 address into an IPv6 one."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inner", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "168.63.129.16"])
def test_no_form_of_an_inner_address_is_asked(form: str, inner: str) -> None:
    assert not is_public(str(IPv6Address(FORMS[form](int(IPv4Address(inner))))))


def test_of_the_forms_only_those_that_networks_carry_lead_to_public_addresses() -> None:
    outer = IPv4Address("93.184.216.34")
    public = {form for form, made in FORMS.items() if is_public(str(IPv6Address(made(int(outer)))))}
    assert public == {"NAT64", "ISATAP", "ISATAP, global"}


@pytest.mark.parametrize("host", ["192.0.0.9", "168.63.129.16", "[64:ff9b::7f00:1]", "[5f00::1]"])
def test_a_url_that_names_such_an_address_is_refused(host: str) -> None:
    policy = WebPolicy(schemes=("http",), hosts=(host,), allow_private_addresses=False)
    assert "is not a public address" in (policy.refusal(request_url(f"http://{host}/a")) or "")


def test_a_name_that_resolves_to_one_among_others_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, ("93.184.216.34", 443)), (*kind, ("192.0.0.9", 443))]

    async def resolve() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _as_coroutine(getaddrinfo))
        await PublicResolver().resolve("cdn.example.com", 443)

    with pytest.raises(RowError, match="not public") as caught:
        asyncio.run(resolve())
    assert caught.value.code is ErrorCode.URI_NOT_ALLOWED


def _as_coroutine(work):
    async def asked(*given: object, **named: object) -> object:
        return work(*given, **named)

    return asked


PORTS = {
    "https://cdn.example.com/a": ["cdn.example.com", "cdn.example.com:443", ".example.com"],
    "https://cdn.example.com:443/a": ["cdn.example.com", "cdn.example.com:443", ".example.com"],
    "http://cdn.example.com/a": ["cdn.example.com", ".example.com"],
    "http://cdn.example.com:443/a": ["cdn.example.com:443"],
    "https://cdn.example.com:80/a": [],
    "https://cdn.example.com:8443/a": [".example.com:8443"],
    "https://www.example.com.:8443/a": [".example.com:8443"],
    "http://[::1]:8000/a": ["[::1]:8000"],
    "http://[0:0::1]/a": ["::1"],
    "https://cdn.example.com:22/a": [],
}
"""Which entries of `fetch.allowed_hosts` let a URL be asked for."""
ENTRIES = ["cdn.example.com", "cdn.example.com:443", ".example.com", ".example.com:8443"]
ENTRIES += ["::1", "[::1]:8000"]


@pytest.mark.parametrize("url", PORTS)
def test_ports_are_those_of_the_schemes_unless_an_entry_names_one(url: str) -> None:
    def allows(entry: str) -> bool:
        policy = WebPolicy(schemes=("http", "https"), hosts=(entry,), allow_private_addresses=True)
        return policy.refusal(request_url(url)) is None

    assert [entry for entry in ENTRIES if allows(entry)] == PORTS[url]


def test_a_port_that_is_refused_is_told_with_the_entry_to_add() -> None:
    policy = WebPolicy(
        schemes=("http",), hosts=("cdn.example.com", "::1"), allow_private_addresses=True
    )
    for url, entry in (
        ("http://cdn.example.com:8080/a", "cdn.example.com:8080"),
        ("http://[::1]:6379/a", "[::1]:6379"),
        ("http://cdn.example.com:443/a", "cdn.example.com:443"),
    ):
        said = policy.refusal(request_url(url)) or ""
        assert f"add {entry!r} if it may be asked" in said
        added = WebPolicy(schemes=("http",), hosts=(entry,), allow_private_addresses=True)
        assert added.refusal(request_url(url)) is None
