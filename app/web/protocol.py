"""uvicorn's HTTP protocol with an answer to an address that is too long.

    uvicorn.run(..., http=Protocol)

httptools reads addresses of up to 65,535 bytes. Of a longer one uvicorn only says "Invalid HTTP request
received.", before the application hears of it; and a list of dp_ids is soon that long.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST: Final = 65_535  # httptools keeps offsets in 16 bits


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools; 414 where the address is too long."""

    def send_400_response(self, msg: str) -> None:
        """Close the connection, saying why."""
        if len(self.url) <= LONGEST:
            super().send_400_response(msg)
            return
        text = (
            f"the address has {len(self.url)} bytes, the most is {LONGEST}; "
            "send the dp_ids as the form of a POST, or in several requests\n"
        )
        head = (
            "HTTP/1.1 414 URI Too Long\r\n"
            "content-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(text)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(f"{head}{text}".encode("ascii"))
        self.transport.close()
