"""Expressions as SQL: columns of the catalogue, functions of a fixed list, and everything else bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.sql import SQL, Composable, Identifier

from app.vo.adql.parser import AGGREGATES
from app.vo.adql.scope import Place, Scope
from app.vo.adql.syntax import Call, Expr, Number, Text
from app.vo.adql.syntax import Column as Name
from app.vo.adql.tokens import AdqlError, error_at
from app.vo.schema.column import Column, Datatype, Kind
from app.vo.schema.table import Bind, FrameTable


@dataclass(frozen=True, slots=True)
class Value:
    """SQL and what it gives: `column` describes it in the answer."""

    sql: Composable
    kind: Kind
    column: Column
    aggregate: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A position in degrees; `literal` where it is the query's own and not a frame's."""

    ra: Composable
    dec: Composable
    literal: bool


@dataclass(frozen=True, slots=True)
class Circle:
    """The points no farther than `radius` degrees from a centre."""

    centre: Point
    radius: Composable
    literal_radius: float


_FRAMES: Final = ("ICRS", "FK5", "J2000", "")
# The haversine formula: exact for small distances, where the cosine's rule loses all digits. Null for a
# frame without position; least(1, …), against rounding, would not be.
_HAVERSINE: Final = (
    "(sind(({dec2} - {dec1}) / 2) ^ 2 + cosd({dec1}) * cosd({dec2}) * sind(({ra2} - {ra1}) / 2) ^ 2)"
)
_DISTANCE: Final = f"(2 * atan2d(sqrt({_HAVERSINE}), sqrt(abs(1 - {_HAVERSINE}))))"
# Declinations of a cone's points: what an index over them can find. The slack is for rounding.
_WITHIN: Final = (
    "({column} BETWEEN {other} - {radius} - 1e-9 AND {other} + {radius} + 1e-9 AND {distance} <= {radius})"
)


class Values:
    """Turns expressions of one SELECT into SQL."""

    def __init__(self, scope: Scope, bind: Bind) -> None:
        self.scope = scope
        self.bind = bind
        self.in_aggregate = False
        # Equal expressions are the same SQL, down to their placeholders: GROUP BY and DISTINCT rely on it.
        self._known: dict[Expr, Value] = {}

    def error(self, at: int, message: str) -> AdqlError:
        """The error at a place of the query."""
        return error_at(self.scope.query, at, message)

    def value(self, expr: Expr, *, aggregates: bool = False) -> Value:
        """The value of an expression; `aggregates` are allowed in lists and orders only."""
        known = self._known.get(expr)
        if known is None or (known.aggregate and not aggregates):
            known = self._known[expr] = self._value(expr, aggregates)
        return known

    def _value(self, expr: Expr, aggregates: bool) -> Value:
        match expr:
            case Name():
                place, column = self.scope.resolve(expr)
                return self.of_column(place, column)
            case Text():
                bound = SQL('({} COLLATE "C")').format(self.bind(expr.value, "text"))
                return Value(bound, "text", _described("text", "unicodeChar"))
            case Number():
                return Value(self.bind(self.number(expr), "float8"), "number", _described("number", "double"))
            case Call():
                return self.call(expr, aggregates)

    def of_column(self, place: Place, column: Column) -> Value:
        """A column of a table of this query."""
        place.used[column.name] = column
        return Value(
            SQL("{}.{}").format(Identifier(place.alias), Identifier(column.name)), column.kind, column
        )

    def number(self, literal: Number) -> float:
        """The value of a number, which must be finite."""
        value = float(literal.written)
        if not math.isfinite(value):
            raise self.error(literal.at, f"{literal.written[:60]} is no number that is finite")
        return value

    def coerced(self, expr: Expr, kind: Kind, other: Expr) -> Value:
        """The value of an expression that is compared with one of this kind: literals adapt, nothing else."""
        value = self.value(expr)
        if value.kind == kind:
            return value
        match expr:
            case Number():
                return self.value(Text(expr.written, expr.at))
            case Text():
                return self.value(Number(repr(self.as_number(expr, other)), expr.at))
            case _:
                raise self.error(expr.at, f"{expr} is a {value.kind}, but {other} is a {kind}")

    def as_number(self, literal: Text | Number, other: Expr) -> float:
        """The value of a literal that is compared with the number `other`."""
        if isinstance(literal, Number):
            return self.number(literal)
        try:
            return self.number(Number(literal.value.strip(), literal.at))
        except ValueError:
            message = f"{str(literal)[:60]} is no number, but {other} is one"
            raise self.error(literal.at, message) from None

    def call(self, call: Call, aggregates: bool) -> Value:
        """A function that gives a number or a text."""
        match call.name:
            case "UPPER" | "LOWER":
                (inner,) = self.arguments(call, 1)
                value = self.value(inner, aggregates=aggregates)
                if value.kind != "text":
                    raise self.error(call.at, f"{call.name} takes a text, and {inner} is a number")
                changed = SQL(f"{call.name.lower()}({{}})").format(value.sql)
                return Value(changed, "text", _described(call.name.lower(), "unicodeChar"), value.aggregate)
            case "DISTANCE":
                first, second = (self.point(each, call) for each in self.arguments(call, 2))
                column = Column("distance", "double", "deg", "pos.angDistance", "", "Angular distance")
                return Value(distance(first, second), "number", column)
            case name if name in AGGREGATES:
                if not aggregates or self.in_aggregate:
                    raise self.error(call.at, f"{name} cannot stand here, but in what is selected")
                return self.aggregate(call)
            case name:
                raise self.error(call.at, f"{name} cannot stand here: it is for CONTAINS and INTERSECTS")

    def aggregate(self, call: Call) -> Value:
        """COUNT, MIN, MAX, AVG, SUM over the rows of a group."""
        name = call.name.lower()
        if not call.arguments and call.name == "COUNT":
            column = Column("count", "long", "", "meta.number", "", "Number of rows")
            return Value(SQL("count(*)"), "number", column, aggregate=True)
        (inner,) = self.arguments(call, 1)
        self.in_aggregate = True
        value = self.value(inner)
        self.in_aggregate = False
        if call.name in ("AVG", "SUM") and value.kind != "number":
            raise self.error(call.at, f"{call.name} takes a number, and {inner} is a text")
        distinct = "DISTINCT " if call.distinct else ""
        computed = SQL(f"{name}({distinct}{{}})").format(value.sql)
        if call.name == "COUNT":
            return Value(computed, "number", Column("count", "long", "", "meta.number", "", "Number"), True)
        of = value.column
        datatype: Datatype = of.datatype if call.name in ("MIN", "MAX") else "double"
        column = Column(name, datatype, of.unit, of.ucd, "", f"{call.name} of {of.name}")
        return Value(computed, value.kind, column, aggregate=True)

    def arguments(self, call: Call, *numbers: int) -> Sequence[Expr]:
        """The arguments, of which there must be so many."""
        if len(call.arguments) not in numbers:
            wanted = " or ".join(map(str, numbers))
            raise self.error(call.at, f"{call.name} takes {wanted} arguments, not {len(call.arguments)}")
        return call.arguments

    def point(self, expr: Expr, call: Call) -> Point:
        """POINT(…), or the s_region of a frame, which is one."""
        match expr:
            case Call(name="POINT"):
                ra, dec = self.coordinates(expr, 2)
                return self.position(ra, dec)
            case Name(parts=(*_, last)) if last.lower() == "s_region":
                place, _ = self.scope.resolve(expr)
                if not isinstance(place.table, FrameTable):
                    raise self.error(expr.at, f"{place.table.name} has no positions")
                names = (Name((*expr.parts[:-1], name)) for name in place.table.position)
                right_ascension, declination = (self.value(name).sql for name in names)
                return Point(right_ascension, declination, literal=False)
            case _:
                raise self.error(call.at, f"{call.name} takes POINT(…) or s_region, not {str(expr)[:60]}")

    def position(self, ra: Expr, dec: Expr) -> Point:
        """A pair of coordinates."""
        if isinstance(dec, Number) and abs(self.number(dec)) > 90:
            raise self.error(dec.at, f"a declination is -90 to 90 degrees, not {dec}")
        literal = isinstance(ra, Number) and isinstance(dec, Number)
        return Point(self.degrees(ra), self.degrees(dec), literal)

    def degrees(self, expr: Expr) -> Composable:
        """A number of degrees."""
        value = self.value(expr)
        if value.kind != "number":
            raise self.error(
                getattr(expr, "at", 0), f"a coordinate is a number of degrees, not {str(expr)[:60]}"
            )
        return value.sql

    def coordinates(self, call: Call, wanted: int) -> Sequence[Expr]:
        """The arguments behind the name of the coordinate system, which ADQL 2.1 leaves out."""
        arguments = call.arguments
        if arguments and isinstance(arguments[0], Text):
            frame = arguments[0].value.upper().partition(" ")[0]
            if frame not in _FRAMES:
                raise self.error(arguments[0].at, f"coordinates are ICRS; {arguments[0]} is not supported")
            arguments = arguments[1:]
        if len(arguments) != wanted and not (wanted == 3 and len(arguments) == 2):
            raise self.error(call.at, f"{call.name} takes {wanted} numbers, not {len(arguments)}")
        return arguments

    def circle(self, call: Call) -> Circle:
        """CIRCLE('ICRS', ra, dec, radius) or CIRCLE(POINT(…), radius)."""
        *centre, radius = self.coordinates(call, 3)
        if not isinstance(radius, Number) or self.number(radius) < 0:
            raise self.error(call.at, f"the radius of a CIRCLE is degrees, not {str(radius)[:60]}")
        point = self.point(centre[0], call) if len(centre) == 1 else self.position(centre[0], centre[1])
        return Circle(point, self.degrees(radius), self.number(radius))

    def within(self, call: Call) -> Composable:
        """CONTAINS(point, circle) or INTERSECTS of both in any order, as a condition."""
        first, second = self.arguments(call, 2)
        shapes = [each for each in (first, second) if isinstance(each, Call) and each.name == "CIRCLE"]
        if len(shapes) != 1:
            raise self.error(call.at, f"{call.name} takes one CIRCLE, and s_region or a POINT")
        if call.name == "CONTAINS" and shapes[0] is first:
            raise self.error(call.at, "CONTAINS(a, b) asks whether a is inside b: the CIRCLE comes second")
        circle = self.circle(shapes[0])
        point = self.point(second if shapes[0] is first else first, call)
        own, other = (circle.centre, point) if point.literal else (point, circle.centre)
        return SQL(_WITHIN).format(
            column=own.dec, other=other.dec, radius=circle.radius, distance=distance(point, circle.centre)
        )


def distance(first: Point, second: Point) -> Composable:
    """The angle between two positions, in degrees."""
    return SQL(_DISTANCE).format(ra1=first.ra, dec1=first.dec, ra2=second.ra, dec2=second.dec)


def _described(name: str, datatype: Datatype) -> Column:
    return Column(name, datatype, "", "", "", "A value of the query")
