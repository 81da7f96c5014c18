"""A TAP query: what was asked, and its answer as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import psycopg

from app.archive.finding import Connection
from app.archive.index import Index
from app.errors import RequestError
from app.formats.links import Links
from app.rulebook import Rulebook
from app.vo import tables
from app.vo.adql.statement import Statement, translate
from app.vo.dali import VOTABLE, SlowError, shown
from app.vo.reading import SECONDS, humble, reading, rows
from app.vo.schema.catalogue import Catalogue, catalogue

# Rows of an answer. ESO's clients call 15,000,000 the most that its service gives (astroquery.eso,
# MAX_ROW_LIMIT), and always send MAXREC; who sends none gets no more than fits a screenful of plots.
DEFAULT: Final = 20_000
HARD: Final = 15_000_000
_BYTES: Final = 1 << 30  # of an answer; what is more is cut off and marked, as too many rows are
_IN_MEMORY: Final = 1 << 20

_VOTABLES: Final = ("", "votable", VOTABLE, "text/xml", "application/xml")
_OTHERS: Final[Mapping[str, tuple[str, tables.Writer]]] = {
    "csv": ("text/csv", tables.comma_separated),
    "text/csv": ("text/csv", tables.comma_separated),
    "json": ("application/json", tables.json),
    "application/json": ("application/json", tables.json),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the most rows of its answer, and how this is written."""

    query: str
    maxrec: int
    media_type: str
    writer: tables.Writer


@dataclass(frozen=True, slots=True)
class Answer:
    """The written answer, its size in bytes, and whether it was cut off."""

    file: SpooledTemporaryFile[bytes]
    size: int
    overflow: bool


def question(given: Mapping[str, str]) -> Question:
    """The question of a request's parameters (TAP 1.1 §2.7). Raises RequestError."""
    request = given.get("request", "doQuery")
    if request.lower() != "doquery":
        raise RequestError(f"REQUEST={shown(request)} is not possible here; the only one is doQuery")
    language = given.get("lang", "ADQL")
    if language.upper() not in ("ADQL", "ADQL-2.0", "ADQL-2.1"):
        raise RequestError(f"LANG={shown(language)} is not understood; the only language is ADQL")
    if "upload" in given:
        raise RequestError("UPLOAD is not supported: no tables can be sent with a query")
    if not given.get("query", "").strip():
        raise RequestError("no QUERY is given; send an ADQL query, such as SELECT TOP 5 * FROM dbo.raw")
    media_type, writer = _format(given.get("responseformat") or given.get("format", ""))
    return Question(given["query"], _maxrec(given.get("maxrec")), media_type, writer)


def _format(wanted: str) -> tuple[str, tables.Writer]:
    plain = wanted.strip().lower()
    if plain.partition(";")[0].strip() in _VOTABLES:
        return VOTABLE, tables.votable
    if plain.partition(";")[0].strip() in _OTHERS:
        return _OTHERS[plain.partition(";")[0].strip()]
    raise RequestError(f"FORMAT={shown(wanted)} is not offered; there are votable, csv and json")


def _maxrec(given: str | None) -> int:
    if given is None or not given.strip():
        return DEFAULT
    if not (given.strip().isascii() and given.strip().isdecimal()):
        raise RequestError(f"MAXREC={shown(given)} is no number of rows: 0 or more")
    return min(int(given.strip()[:20]), HARD)


class Asker:
    """Answers queries; keeps the list of tables until the archive changes."""

    def __init__(self, links: Links) -> None:
        self._addresses = {"files": links.files, "links": links.datalink("")}
        self._known: tuple[tuple[int, frozenset[int]], Catalogue] | None = None

    def catalogue(self, index: Index) -> Catalogue:
        """The tables that there are now."""
        with reading(index) as connection:
            return self._catalogue(index, connection)

    def _catalogue(self, index: Index, connection: Connection) -> Catalogue:
        rules = index.rules(connection)
        state = (rules.revision, frozenset(rules.books))
        known = self._known
        if known is None or known[0] != state:
            books: list[Rulebook] = list(rules.books.values())
            known = self._known = (state, catalogue(connection, books))
        return known[1]

    def answer(self, index: Index, asked: Question) -> Answer:
        """The answer, written in full: what goes wrong is told as an error, not in the middle of a table.

        Raises AdqlError for a query that is not understood, SlowError for one that takes too long.
        """
        # Not closed here: it goes on with the answer.
        file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        try:
            with reading(index) as connection:
                known = self._catalogue(index, connection)
                # One row more than may be told shows whether there are more.
                statement = translate(asked.query, known, asked.maxrec + 1)
                humble(connection)
                limited = _Limited(self._rows(connection, statement), asked.maxrec, file)
                for piece in asked.writer(statement.columns, limited, asked.query):
                    file.write(piece)
        except psycopg.errors.QueryCanceled as error:
            file.close()
            raise SlowError(
                f"the query takes more than {SECONDS} s; ask for less: by dp_id, prog_id, instrument, "
                "exp_start, mjd_obs or a cone"
            ) from error
        except psycopg.DataError as error:
            file.close()
            # Sums and angles of numbers that are too large or too small for PostgreSQL: its words are plain.
            raise RequestError(f"this cannot be computed: {error.diag.message_primary}") from error
        except BaseException:
            file.close()
            raise
        size = file.tell()
        file.seek(0)
        return Answer(file, size, limited.overflow)

    def _rows(self, connection: Connection, statement: Statement) -> Iterator[Sequence[Any]]:
        values = {**statement.values, **self._addresses}
        return rows(connection, Statement(statement.sql, values, statement.columns))


class _Limited:
    """Rows up to a limit, and to a size of the file that they are written to."""

    def __init__(self, source: Iterator[Sequence[Any]], most: int, file: SpooledTemporaryFile[bytes]) -> None:
        self.overflow = False
        self._source, self._most, self._file = source, most, file

    def __iter__(self) -> Iterator[Sequence[Any]]:
        # DALI 1.1 §3.4.4: MAXREC=0 asks for the columns only, and is marked as cut off.
        self.overflow = self._most == 0
        for number, row in enumerate(self._source):
            if number >= self._most or self._file.tell() > _BYTES:
                self.overflow = True
                return
            yield row
