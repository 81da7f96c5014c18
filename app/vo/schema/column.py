"""A column of a served table, and the SQL that computes it from a frame.

`source` is a header keyword (or several, `A|B`: the first that a frame has), `=` and SQL of ours over the
row `f` of `frame`, or nothing where the archive does not know: such a column is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias
from typing import Literal as OneOf

from psycopg.sql import SQL, Composable, Identifier, Literal

from app.rulebook.book import BASE_KEYWORDS

Datatype: TypeAlias = OneOf["char", "unicodeChar", "int", "long", "double"]
Kind: TypeAlias = OneOf["text", "number"]

# Of ADQL 2.0's reserved words (§2.1.2), those that name columns here. DEC is one as well: ESO's clients, as
# all others, write it without quotes.
_RESERVED: Final = frozenset({"SIZE"})


@dataclass(frozen=True, slots=True)
class Column:
    """Name, VOTable datatype (texts have any length), unit (VOUnits), UCD1+, source, description."""

    name: str
    datatype: Datatype
    unit: str
    ucd: str
    source: str
    description: str
    utype: str = ""
    xtype: str = ""
    hot: bool = False  # the keyword is one that the instrument's rules name

    @property
    def kind(self) -> Kind:
        """How its values are compared."""
        return "text" if self.datatype in ("char", "unicodeChar") else "number"

    @property
    def written(self) -> str:
        """Its name as a query has to write it; TAP 1.1 §4.3 tells it so in TAP_SCHEMA, with the quotes."""
        return f'"{self.name}"' if self.name.upper() in _RESERVED else self.name

    @property
    def cold(self) -> tuple[str, ...]:
        """Its keywords that only the whole header has, which is slow to read."""
        if self.hot or not self.source or self.source.startswith("="):
            return ()
        return tuple(key for key in self.source.split("|") if key not in BASE_KEYWORDS)

    def sql(self) -> Composable:
        """Its value for the frame `f`; cold keywords are columns of the record `c`."""
        if not self.source:
            value: Composable = SQL("NULL")
        elif self.source.startswith("="):
            value = SQL(self.source[1:])
        else:
            values = [self._keyword(key) for key in self.source.split("|")]
            joined = SQL(", ").join(values)
            value = values[0] if len(values) == 1 else SQL("coalesce({})").format(joined)
        # One collation, that of the characters' numbers, whatever the database's own is.
        cast = '({})::text COLLATE "C"' if self.kind == "text" else "({})::float8"
        return SQL(cast).format(value)

    def _keyword(self, key: str) -> Composable:
        if key in self.cold:
            name: Composable = Identifier(key)
            template = _COLD_TEXT if self.kind == "text" else _COLD_NUMBER
        else:
            name = Literal(key)
            template = _HOT_TEXT if self.kind == "text" else _HOT_NUMBER
        return SQL(template).format(key=name)


# A header may hold a text where a number is due; then there is no number, rather than an error.
_HOT_TEXT: Final = "f.keywords ->> {key}"
_HOT_NUMBER: Final = (
    "CASE jsonb_typeof(f.keywords -> {key}) WHEN 'number' THEN (f.keywords ->> {key})::float8 END"
)
_COLD_TEXT: Final = "c.{key} #>> '{{}}'"
_COLD_NUMBER: Final = "CASE json_typeof(c.{key}) WHEN 'number' THEN (c.{key} #>> '{{}}')::float8 END"
