"""That no test of this folder can ask anybody but this machine."""

from __future__ import annotations

import socket

import pytest
import requests


@pytest.mark.parametrize(
    "url", ["https://archive.eso.org/tap_obs", "http://192.0.2.1/", "http://[2001:db8::1]/"]
)
def test_a_client_that_asks_another_machine_fails(url):
    with pytest.raises(AssertionError, match="is not this machine"):
        requests.get(url, timeout=1)


def test_names_are_not_even_looked_up():
    with pytest.raises(AssertionError, match="is not this machine"):
        socket.getaddrinfo("www.eso.org", 443)


def test_the_service_s_links_lead_to_itself(archive):
    tree = requests.get(f"{archive.url}/datalink/links?ID={archive.science}", timeout=60).text
    assert f"{archive.url}/dataPortal/file/{archive.science}" in tree
    assert "https://" not in tree
