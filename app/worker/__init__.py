"""Where recipes are run: here and now (`reduce`), or as one of many workers that share a database."""

from app.worker.here import Reduction as Reduction
from app.worker.here import reduce as reduce
