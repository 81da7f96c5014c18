"""Where a product came from, back to raw frames: traced in the archive, written in several ways."""

from app.provenance.chain import Chain, File, Output, Run, Use
from app.provenance.tracing import trace
from app.provenance.writers import FORMATS, Format, pick

__all__ = ["FORMATS", "Chain", "File", "Format", "Output", "Run", "Use", "pick", "trace"]
