from __future__ import annotations

import httpx
import pytest

ASSOCIATIONS = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
PLACES = (
    *(f"{ASSOCIATIONS}?dp_id={SCIENCE}", f"/datalink/links?ID={SCIENCE}", f"/hdr?DpId={SCIENCE}"),
    *("/calselector/v1/breakpoints", "/tap_obs/capabilities", "/tap_obs/tables/dbo.raw", "/health", "/"),
    *(f"{ASSOCIATIONS}?dp_id=UVES.X", "/hdr?DpId=UVES.X", "/dataPortal/file/UVES.X", "/nowhere"),
)
ORIGIN = {"Origin": "https://portal.example.org"}


@pytest.mark.parametrize("place", PLACES)
def test_head_says_what_get_would_without_a_body(client: httpx.Client, place: str):
    head, got = client.head(place), client.get(place)
    assert head.status_code == got.status_code
    assert head.content == b""
    for name in ("content-type", "content-length", "content-disposition", "etag", "vary"):
        assert head.headers.get(name) == got.headers.get(name)


def test_head_of_several_frames_has_no_body_either(client: httpx.Client):
    asked = {"dp_id": [SCIENCE, "UVES.2012-03-12T05:00:00.000"]}
    head, again = client.head(ASSOCIATIONS, params=asked), client.get(ASSOCIATIONS, params=asked)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == again.headers["content-type"]


def test_an_unchanged_answer_is_told_by_head_as_well(client: httpx.Client):
    asked = {"dp_id": SCIENCE}
    tag = client.head(ASSOCIATIONS, params=asked).headers["etag"]
    assert client.head(ASSOCIATIONS, params=asked, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("place", PLACES)
def test_a_page_of_another_site_may_read_answers_and_errors(client: httpx.Client, place: str):
    answer = client.get(place, headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    read = answer.headers["access-control-expose-headers"].split(", ")
    assert {"Content-Disposition", "ETag", "Content-Range", "X-Query-Status"} <= set(read)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_a_browser_that_asks_beforehand_may_send_a_token(client: httpx.Client, method: str):
    answer = client.options(
        f"{ASSOCIATIONS}?dp_id={SCIENCE}",
        headers=ORIGIN
        | {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,if-none-match,range",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (ASSOCIATIONS, "GET, HEAD, POST"),
        ("/tap_obs/sync", "GET, HEAD, POST"),
        ("/datalink/links", "GET, HEAD, POST"),
        ("/tap_obs/tables/dbo.raw", "GET, HEAD"),
        ("/dataPortal/file/X", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_options_names_the_methods_and_so_does_a_refusal(client: httpx.Client, path: str, allowed: str):
    options, patched = client.options(path), client.patch(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allowed, b"")
    assert (patched.status_code, patched.headers["allow"]) == (405, allowed)


def test_options_of_nothing_is_404(client: httpx.Client):
    assert client.options("/nowhere").status_code == 404
