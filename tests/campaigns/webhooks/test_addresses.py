"""No webhook leads into our own network, whatever its address looks like and whatever its name resolves to."""

import socket
from collections.abc import Sequence

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from customers import addresses, calling
from customers.addresses import AddressRefused, allowed, is_public, look
from tests.campaigns.webhooks.receivers import receiving, saying

PUBLIC = "93.184.216.34"


def found(*addresses: str) -> addresses.Resolve:
    """Resolve every name to these addresses."""
    return lambda host, port: list(addresses)


def numbers_as_the_system(host: str, port: int) -> Sequence[str]:
    """Resolve numbers in any form as the C library does, and every name as *.nip.io does: to the numbers in it."""
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        return [host if ":" in host else ".".join(host.split(".")[:4])]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://100.100.100.200/",
        "https://168.63.129.16/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[ff02::1]/",
        "https://127.0.0.1.nip.io/",
        "https://169.254.169.254.nip.io/",
        "https://１２７.０.０.１/",
        "https://①②⑦.0.0.1/",
    ],
)
def test_what_leads_inside_is_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(AddressRefused):
        look(url, numbers_as_the_system)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/", "must begin with https://"),
        ("ftp://shop.example/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://shop.example/", "must begin with https://"),
        ("//shop.example/", "must begin with https://"),
        ("https://user:word@shop.example/", "name or password"),
        ("https://shop.example@127.0.0.1/", "name or password"),
        ("https://shop.example:22/", "port 22 is not called"),
        ("https://shop.example:80/", "port 80 is not called"),
        ("https://shop.example:99999/", "no number from 1 to 65535"),
        ("https://shop.example\\@127.0.0.1/", "a backslash"),
        ("https://shop.example/a b", "holds a space"),
        ("https://shop.example/\r\nHost: inside", "cannot be printed"),
        ("https://shop.example/#@127.0.0.1", "no #"),
        ("https://shop.exam ple/", "holds a space"),
        ("https://a..example/", "no name of a host"),
        ("https://%31%32%37.0.0.1/", "no name of a host"),
        ("https:///path", "no name of a host"),
        ("https://[::1/", "no address"),
        ("https://shop.example/" + "a" * 500, "longer than 500"),
    ],
)
def test_an_address_that_is_odd_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(AddressRefused, match=why):
        look(url, found(PUBLIC))


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused, match=r"shop.example leads to 10\.0\.0\.5"):
        look("https://shop.example/", found(PUBLIC, "10.0.0.5"))


def test_a_public_address_is_looked_at_with_its_name_in_the_letters_of_dns() -> None:
    target = look("https://Bücher.example:8443/a?b=c", found(PUBLIC, "2606:2800:220:1::1"))
    assert target == ("https", "xn--bcher-kva.example", 8443, "/a?b=c", (PUBLIC, "2606:2800:220:1::1"))


def test_a_host_that_cannot_be_found_says_so() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(AddressRefused, match=r"shop.example cannot be found"):
        look("https://shop.example/", nowhere)


def test_a_name_that_is_public_once_and_inside_the_next_time_is_never_called_inside() -> None:
    """DNS rebinding: the name is resolved once a call, and the address that was judged is the one that is called."""
    with receiving(saying(200)) as inside:
        port = inside.server_address[1]
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        assert look("https://evil.example/", lambda host, asked: next(answers)).addresses == (PUBLIC,)
        answer = calling.call(f"https://evil.example:{port}/", b"{}", {}, find=lambda host, asked: next(answers))
        assert not answer.is_taken
        assert "leads to 127.0.0.1" in answer.error
        assert not answer.is_handed_over
        assert inside.got == []


def test_hosts_and_networks_of_our_own_can_be_named(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW = ["crm.internal", "10.1.0.0/16", "fd00::/8"]
    assert look("http://crm.internal:5000/", found("192.168.0.7")).port == 5000
    assert look("http://other.internal/", found("10.1.9.9")).port == 80
    assert look("https://six.internal/", found("fd00::7")).addresses == ("fd00::7",)
    for address in ("10.2.0.1", "192.168.0.7", "127.0.0.1"):
        with pytest.raises(AddressRefused, match="no address of the open internet"):
            look("https://other.internal/", found(address))
    with pytest.raises(AddressRefused, match="https"):
        look("http://other.internal/", found("10.1.9.9", PUBLIC))


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "http://crm.internal", "crm internal", "-x-"])
def test_a_setting_that_names_nothing_stops_the_start(entry: str, settings: Settings) -> None:
    with pytest.raises(ValueError, match="neither the name of a host nor a network"):
        allowed([entry])
    settings.WEBHOOK_ALLOW = [entry]
    assert any("WEBHOOK_ALLOW cannot be used" in error.msg for error in run_checks())


def test_the_open_internet_is_public() -> None:
    assert all(map(is_public, ("8.8.8.8", PUBLIC, "2606:4700::1111")))
    assert not any(map(is_public, ("", "name", "fe80::1%eth0", "0.0.0.0", "192.88.99.1")))
