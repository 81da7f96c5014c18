"""IVOA UWS 1.1: jobs over HTTP."""

from app.vo.uws.routes import PATH, router

__all__ = ["PATH", "router"]
