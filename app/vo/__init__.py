"""One router per IVOA protocol."""
