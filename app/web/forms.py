"""The fields of a small form."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile

from app.errors import RequestError

_LARGEST: Final = 64 * 1024


async def fields(request: Request) -> list[tuple[str, str]]:
    """The parameters of the address, then those of the form, if there is one.

    Raises RequestError for a form of more than 64 kB.
    """
    given = list(request.query_params.multi_items())
    if request.method == "POST":
        length = int(request.headers.get("content-length", _LARGEST + 1))
        if length > _LARGEST:
            raise RequestError(f"send the form in one piece of at most {_LARGEST} bytes")
        form = await request.form(max_files=0, max_fields=100)
        given += [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
    return given
