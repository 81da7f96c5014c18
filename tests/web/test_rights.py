from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt
import orjson
import pytest
from astropy.io import fits
from astroquery.eso import Eso
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app.archive.database import connect
from app.archive.index import Index
from app.config import Settings
from app.errors import ConfigError
from app.ingest import ingest, use_rules
from app.rights.tokens import open_gate
from app.rulebook import load_library
from app.web.rights import discreet

LOCKED = "UVES.2012-03-12T04:00:00.000"
CALIBRATION = "UVES.2012-03-12T10:00:00.000"
PRODUCT = "r.UVES.2012-03-12T04:00:00.000_RED"
RELEASED = "UVES.2012-03-12T05:00:00.000"
DATED = "UVES.2012-03-12T06:00:00.000"
ASSOCIATIONS = "/calselector/v1/associations"
LOGIN = "/sso/oidc/token"
ISSUER = "https://sso.example.org"
PASSWORD = "correct horse"
USERS = {
    "ann": {"password": PASSWORD, "programmes": ["088.D-0512"]},
    "bob": {"password": "bob's", "programmes": ["090.A-0001(B)"]},
    "eve": {"password": "eve's", "programmes": ["*"]},
}
SECRET_WAVELENGTH = 390.125


def _write(folder: Path, dp_id: str, catg: str, hour: int, **more: object) -> None:
    header = fits.Header()
    header["INSTRUME"] = "UVES"
    header["ARCFILE"] = f"{dp_id}.fits"
    header["MJD-OBS"] = 55998 + hour / 24
    header["DATE-OBS"] = f"2012-03-12T{hour:02}:00:00"
    header["HIERARCH ESO DPR TYPE"] = "OBJECT,POINT" if catg == "SCIENCE" else "BIAS"
    header["HIERARCH ESO DPR TECH"] = "ECHELLE"
    header["HIERARCH ESO OBS PROG ID"] = "088.D-0512(A)"
    header["HIERARCH ESO INS GRAT1 WLEN"] = SECRET_WAVELENGTH
    header["HIERARCH ESO TPL START"] = f"2012-03-12T{hour:02}:00:00"
    if catg == "PRODUCT":
        header["HIERARCH ESO PRO CATG"] = "RED_SCIENCE"
        header["HIERARCH ESO PRO SCIENCE"] = True
    else:
        header["HIERARCH ESO DPR CATG"] = catg
    fits.PrimaryHDU(header=header).writeto(folder / f"{dp_id}.fits")


@pytest.fixture(scope="module")
def filled(make_shared_database, tmp_path_factory, rules: Path) -> str:
    """Programme 088.D-0512(A): a locked science frame, its product, a calibration; released ones."""
    locked, open_, rows = (tmp_path_factory.mktemp(name) for name in ("locked", "open", "rows"))
    _write(locked, LOCKED, "SCIENCE", 4)
    _write(locked, CALIBRATION, "CALIB", 10)
    _write(locked, PRODUCT, "PRODUCT", 4)
    _write(open_, RELEASED, "SCIENCE", 5)
    _write(open_, DATED, "SCIENCE", 6)
    lines = ["dp_id,dp_cat,prog_id,exp_start,release_date"]
    lines += [f"{DATED},SCIENCE,088.D-0512(A),2012-03-12T06:00:00Z,2112-01-01T00:00:00Z"]
    (rows / "rows.csv").write_text("\n".join(lines))
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(rules), rules)
    assert ingest(index, [locked], proprietary_days=36_500).skipped == []
    assert ingest(index, [open_]).skipped == []
    assert ingest(index, [rows]).skipped == []
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def development(filled: str, tmp_path_factory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    users = home / "users.json"
    users.write_bytes(orjson.dumps(USERS))
    return Settings(database_url=filled, home=home, dev_users=users)


@pytest.fixture(scope="module")
def service(development: Settings, serve) -> Iterator[httpx.Client]:
    with serve(development) as client:
        yield client


def _login(client: httpx.Client, name: str, password: str | None = None) -> httpx.Response:
    given = {
        "response_type": "id_token token",
        "grant_type": "password",
        "client_id": "clientid",
        "client_secret": "clientSecret",
        "username": name,
        "password": USERS[name]["password"] if password is None else password,
    }
    return client.get(LOGIN, params=given)


@pytest.fixture(scope="module")
def bearer(service: httpx.Client) -> Callable[[str], dict[str, str]]:
    def header(name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {_login(service, name).json()['id_token']}"}

    return header


PLACES = (f"/dataPortal/file/{LOCKED}", f"/dataPortal/file/{LOCKED}.NL", f"/hdr?DpId={LOCKED}")


@pytest.mark.parametrize("place", PLACES)
def test_a_locked_frame_is_for_its_programme(service: httpx.Client, bearer, place: str):
    nobody, stranger, owner = (service.get(place, headers=h) for h in ({}, bearer("bob"), bearer("ann")))
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="CalSelector"')
    said = f"{LOCKED} is proprietary, it is released on 2112-02-17; log in and send the token as "
    assert said in nobody.text
    assert stranger.status_code == 403
    assert "and belongs to programme" in stranger.text and "which bob may not read" in stranger.text
    assert str(SECRET_WAVELENGTH) not in nobody.text + stranger.text
    assert owner.status_code == 200
    assert service.get(place, headers=bearer("eve")).status_code == 200


@pytest.mark.parametrize("dp_id", [CALIBRATION, RELEASED])
def test_calibrations_of_the_programme_and_released_frames_are_for_everybody(
    service: httpx.Client, dp_id: str
):
    assert service.get(f"/dataPortal/file/{dp_id}").status_code == 200
    assert service.get(f"/hdr?DpId={dp_id}").status_code == 200


@pytest.mark.parametrize("dp_id", [PRODUCT, DATED])
def test_products_of_science_and_frames_dated_by_a_table_are_locked_too(
    service: httpx.Client, bearer, dp_id: str
):
    assert service.get(f"/dataPortal/file/{dp_id}").status_code == 401
    assert service.get(f"/dataPortal/file/{dp_id}", headers=bearer("ann")).status_code == 200
    picture = f"/previews/v1/files/{dp_id}/preview"
    assert service.get(picture).status_code == 401
    assert service.get(picture, headers=bearer("bob")).status_code == 403


def test_the_links_of_a_locked_frame_are_for_its_programme(service: httpx.Client, bearer):
    place = f"/datalink/links?ID={LOCKED}"
    nobody, stranger, owner = (service.get(place, headers=h).text for h in ({}, bearer("bob"), bearer("ann")))
    assert nobody == stranger
    assert "DefaultFault" in nobody
    assert nobody.count("<TR>") == 1
    assert owner.count("<TR>") == 4


@pytest.mark.parametrize("form", ["xml", "votable", "script", "csv"])
def test_the_calibrations_of_a_locked_frame_are_told_but_not_its_header(service: httpx.Client, form: str):
    answer = service.get(ASSOCIATIONS, params={"dp_id": LOCKED, "responseformat": form})
    assert answer.status_code == 200
    assert str(SECRET_WAVELENGTH) not in answer.text


@pytest.mark.parametrize(
    "question",
    [
        {"responseformat": "json"},
        {"responseformat": "json", "explain": "false"},
        {"responseformat": "sof"},
        {"explain": "true"},
        {"alternatives": "2"},
    ],
)
def test_reasons_quote_the_header_so_they_are_for_its_programme(
    service: httpx.Client, bearer, question: dict[str, str]
):
    given = {"dp_id": [RELEASED, LOCKED], **question}
    for ask in (
        lambda headers: service.get(ASSOCIATIONS, params=given, headers=headers),
        lambda headers: service.post(ASSOCIATIONS, data=given, headers=headers),
    ):
        refused = ask({})
        assert refused.status_code == 401
        assert str(SECRET_WAVELENGTH) not in refused.text
        assert ask(bearer("bob")).status_code == 403
        assert ask(bearer("ann")).status_code == 200


def test_the_login_answers_as_esos(service: httpx.Client):
    answer = _login(service, "ann").json()
    assert set(answer) == {"access_token", "id_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 28800)
    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["nbf"] == 28800
    posted = service.post(LOGIN, data={"grant_type": "password", "username": "ann", "password": PASSWORD})
    assert posted.status_code == 200
    assert posted.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("ann", ""), ("bob", PASSWORD)])
def test_a_wrong_password_is_refused(service: httpx.Client, name: str, password: str):
    answer = _login(service, name, password)
    assert (answer.status_code, answer.text) == (401, "no user has this name and this password\n")


def test_an_unknown_user_is_told_the_same_as_a_wrong_password(service: httpx.Client):
    for password in ("x", ""):
        answer = service.get(
            LOGIN, params={"grant_type": "password", "username": "zoe", "password": password}
        )
        assert (answer.status_code, answer.text) == (401, "no user has this name and this password\n")


def test_another_grant_is_told_what_is_wanted(service: httpx.Client):
    assert service.get(LOGIN, params={"grant_type": "client_credentials"}).status_code == 400
    assert service.post(LOGIN, content=b"x" * 200_000).status_code == 400


def test_astroquery_logs_in_and_downloads(service: httpx.Client, tmp_path: Path, monkeypatch):
    eso = Eso()
    eso.AUTH_URL = f"{service.base_url}{LOGIN}"
    eso.DOWNLOAD_URL = f"{service.base_url}/dataPortal/file/"
    monkeypatch.setattr(eso, "_get_password", lambda *_, **__: (PASSWORD, None))
    assert eso.retrieve_data([LOCKED], destination=str(tmp_path)) == []
    eso.login(username="ann")
    assert eso.authenticated()
    (path,) = eso.retrieve_data([LOCKED, CALIBRATION], destination=str(tmp_path))[:1]
    assert Path(path).name == f"{LOCKED}.fits"


def test_without_the_setting_there_is_no_login(filled: str, serve):
    with serve(Settings(database_url=filled)) as client:
        assert client.get(LOGIN).status_code == 404
        token = {"Authorization": "Bearer of-some-other-service"}
        assert client.get(f"/dataPortal/file/{CALIBRATION}", headers=token).status_code == 200
        assert client.get(f"/dataPortal/file/{LOCKED}", headers=token).status_code == 401


def test_tokens_outlive_a_restart(development: Settings, serve, bearer):
    token = bearer("ann")
    with serve(development) as restarted:
        assert restarted.get(f"/hdr?DpId={LOCKED}", headers=token).status_code == 200
    assert (development.home / "issuer.pem").stat().st_mode & 0o077 == 0


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = {**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one", "alg": "RS256", "use": "sig"}


def _token(key: object = KEY, algorithm: str = "RS256", kid: str | None = "one", **claims: object) -> str:
    now = datetime.now(UTC)
    said = {"iss": ISSUER, "sub": "ann", "exp": now + timedelta(days=1), "programmes": ["088.D-0512"]}
    kept = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers={"kid": kid} if kid else {})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def strict(filled: str, tmp_path_factory, serve) -> Iterator[httpx.Client]:
    """A service that takes the tokens of an issuer elsewhere, made for it."""
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    keys.write_bytes(orjson.dumps({"keys": [PUBLIC]}))
    settings = Settings(
        database_url=filled, oidc_issuer=ISSUER, oidc_keys=str(keys), oidc_audience="calselector"
    )
    with serve(settings) as client:
        yield client


def test_a_token_of_the_issuer_is_taken(strict: httpx.Client):
    for token in (_token(aud="calselector"), _token(aud=["x", "calselector"], kid=None)):
        answer = strict.get(f"/hdr?DpId={LOCKED}", headers={"authorization": f"bearer {token}"})
        assert answer.status_code == 200


def _unsigned() -> str:
    body, claims = ({"alg": "none", "typ": "JWT"}, {"iss": ISSUER, "sub": "ann", "exp": 9_999_999_999})
    parts = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (body, claims)
    )
    return ".".join((*parts, ""))


def _confused() -> str:
    """Signed with the public key as if that were a shared secret."""
    secret = hashlib.sha256(orjson.dumps(PUBLIC)).digest()
    return _token(secret, "HS256", aud="calselector")


PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (_token(aud="calselector", exp=PAST), "has expired"),
        (_token(aud="calselector", nbf=FUTURE), "is not valid yet"),
        (_token(aud="calselector", iss="https://evil.example.org"), "was not made by the issuer"),
        (_token(aud="another"), "or not for it"),
        (_token(aud="calselector", sub=None), "lacks the claim 'sub'"),
        (_token(aud="calselector", exp=None), "lacks the claim 'exp'"),
        (_token(OTHER_KEY, aud="calselector"), "is not signed by the issuer"),
        (_token(aud="calselector", kid="two"), "with a key that the issuer of this service does not have"),
        (_token(aud="calselector", programmes="088.D-0512"), "'programmes' is no list"),
        (_confused(), "is not signed by the issuer"),
        (_unsigned(), "the token "),
        ("garbage", "is no JSON web token, or damaged"),
        ("a.b.c", "is no JSON web token, or damaged"),
        ("é" * 20, "is no JSON web token, or damaged"),
    ],
)
def test_a_token_that_is_not_good_is_refused_with_the_reason_and_not_repeated(
    strict: httpx.Client, caplog: pytest.LogCaptureFixture, token: str, said: str
):
    header = {"Authorization": f"Bearer {token}".encode("latin-1")}
    for place in (
        f"/hdr?DpId={LOCKED}",
        f"/dataPortal/file/{CALIBRATION}",
        f"/datalink/links?ID={CALIBRATION}",
        f"{ASSOCIATIONS}?dp_id={RELEASED}",
    ):
        answer = strict.get(place, headers=header)
        # A page, as /hdr's errors are, has the text as a card.
        told = unescape(answer.text).replace('"', "'")
        assert (answer.status_code, said in told) == (401, True), told
        assert answer.headers["www-authenticate"] == 'Bearer realm="CalSelector", error="invalid_token"'
        assert token not in answer.text
        assert token not in caplog.text


def test_other_ways_to_log_in_are_told_which_one_there_is(strict: httpx.Client):
    for empty in ("Bearer", ""):
        assert strict.get(f"/hdr?DpId={LOCKED}", headers={"Authorization": empty}).status_code == 401
    answer = strict.get(f"/hdr?DpId={LOCKED}", auth=("ann", PASSWORD))
    assert (answer.status_code, "Authorization: Bearer <token>" in unescape(answer.text)) == (401, True)


def test_a_password_that_nobody_asked_for_does_no_harm_to_public_data(strict: httpx.Client):
    answer = strict.get("/calselector/v1/breakpoints", auth=("ann", PASSWORD))
    assert answer.status_code == 200


class _Keys(BaseHTTPRequestHandler):
    served: list[bytes]

    def do_GET(self) -> None:
        body = self.served[0]
        self.send_response(200 if body else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_keys_are_fetched_from_the_issuer_and_their_absence_is_no_fault_of_the_user(filled: str, serve):
    _Keys.served = [b""]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/keys"
    header = {"Authorization": f"Bearer {_token()}"}
    with serve(Settings(database_url=filled, oidc_issuer=ISSUER, oidc_keys=url)) as client:
        for body in (b"", b"no json", b"[]", b'{"keys": []}'):
            _Keys.served = [body]
            answer = client.get(f"/hdr?DpId={LOCKED}", headers=header)
            assert (answer.status_code, "cannot be had at present" in answer.text) == (503, True), body
        _Keys.served = [orjson.dumps({"keys": [PUBLIC]})]
        assert client.get(f"/hdr?DpId={LOCKED}", headers=header).status_code == 200
        _Keys.served = [b""]
        assert client.get(f"/hdr?DpId={LOCKED}", headers=header).status_code == 200
    server.shutdown()
    server.server_close()


def test_settings_that_contradict_each_other_are_told(tmp_path: Path):
    users = tmp_path / "users.json"
    users.write_bytes(orjson.dumps(USERS))
    keys = tmp_path / "keys.json"
    for given, said in (
        ({"oidc_issuer": ISSUER}, "need each other"),
        ({"oidc_keys": "x"}, "need each other"),
        ({"oidc_issuer": ISSUER, "oidc_keys": str(keys)}, "is no JSON web key set"),
        ({"dev_users": users, "oidc_issuer": ISSUER}, "its own issuer"),
        ({"dev_users": keys}, "No such file"),
    ):
        with pytest.raises(ConfigError, match=said):
            open_gate(Settings(home=tmp_path, **given))


def test_a_wrong_file_of_users_is_told_without_its_passwords(tmp_path: Path):
    users = tmp_path / "users.json"
    users.write_bytes(orjson.dumps({"ann": {"password": PASSWORD, "programs": []}, "bob": {"password": ""}}))
    with pytest.raises(ConfigError) as caught:
        open_gate(Settings(home=tmp_path, dev_users=users))
    assert "ann.programs: Extra inputs" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_no_password_and_no_token_is_in_the_access_log(
    service: httpx.Client, caplog: pytest.LogCaptureFixture
):
    access = logging.getLogger("uvicorn.access")
    level = access.level
    access.setLevel(logging.INFO)
    access.addHandler(caplog.handler)
    try:
        token = _login(service, "ann").json()["id_token"]
        service.get(f"{LOGIN}?p%61ssword={PASSWORD}&grant_type=password&username=ann")
        service.get(f"/hdr?DpId={LOCKED}&access_token={token}", headers={"Authorization": f"Bearer {token}"})
    finally:
        access.removeHandler(caplog.handler)
        access.setLevel(level)
    logged = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert len(logged) == 3
    assert "grant_type=password&client_id=clientid&client_secret=…&username=ann&password=… " in logged[0]
    said = "\n".join(logged)
    assert [word for word in ("correct", "horse", token, "clientSecret") if word in said] == []


def test_the_rest_of_an_address_is_logged_as_it_is():
    assert discreet("/a?dp_id=UVES.1&mode=Raw2Raw&x") == "/a?dp_id=UVES.1&mode=Raw2Raw&x"
    assert discreet("/a?PASSWORD=1&password") == "/a?PASSWORD=…&password…"
    assert discreet("/dataPortal/file/UVES.2012-03-12T04%3A00%3A00.000") == (
        "/dataPortal/file/UVES.2012-03-12T04%3A00%3A00.000"
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/a?jwt={0}&b=1", "/a?jwt=…&b=1"),
        ("/a?authorization=Bearer%20{0}", "/a?authorization=…"),
        ("/a?whatever={0}&b=1", "/a?whatever=…&b=1"),
        ("/a?x=Bearer+{1}", "/a?x=…"),
        ("/a?{0}", "/a?…"),
        ("/a/{0}/b", "/a/…/b"),
        ("/a/{1}?b=1", "/a/…?b=1"),
    ],
)
def test_a_token_is_not_logged_wherever_it_stands(address: str, said: str):
    token = jwt.encode({"sub": "ann"}, "k" * 32, "HS256")
    assert discreet(address.format(token, token.replace(".", "%2E"))) == said
