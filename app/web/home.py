"""The page at /: what is here."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>CalSelector</title>
<h1>CalSelector</h1>
<p>Which calibrations does a science frame need, and why these? Ask with
<code>GET</code> or <code>POST</code>:</p>
<pre>/calselector/v1/associations?dp_id=UVES.2012-03-12T04:49:17.000&amp;mode=Raw2Raw&amp;responseformat=json</pre>
<ul>
<li><a href="/docs">/docs</a>: every route, with examples (needs the internet for its scripts)</li>
<li><a href="/openapi.json">/openapi.json</a>: the same for programs</li>
<li><a href="/health">/health</a>: what this service runs on</li>
</ul>
</html>
"""


def router() -> APIRouter:
    """The route /."""
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    def home() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    return routes
