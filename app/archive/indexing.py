"""What each rulebook says of frames: classification, groups made anew, match keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from psycopg import sql
from psycopg.types.json import Jsonb

from app.archive.finding import Connection, merged
from app.archive.tables import POOLS, STATES
from app.associate.ports import Pool
from app.classify import Classified, Frame, classified, is_raw
from app.header import Maybe, Undefined
from app.organise import Group, form, middle_of, partitions, time_of, virtual_keywords
from app.rulebook import Rulebook, hash64

# Book id, rule index, hash of the partition: where a group stands.
Place: TypeAlias = tuple[int, int, int]
# A frame (its row number, and what the book says of it) at one of the places it belongs to.
Member: TypeAlias = tuple[Place, int, Classified]


class Offer(NamedTuple):
    """A file, or a group's product, as it may be chosen; `middle` and `mjd` in days, None without a time.

    `state` and `pool` are numbers of STATES and POOLS; `frame` is the group's first frame's row for a group.
    """

    middle: float | None
    mjd: float | None
    certified: bool
    state: int
    pool: int
    frame: int
    group: int | None
    promise: int | None


def index(
    connection: Connection, books: Mapping[int, Rulebook], rows: Mapping[int, Frame], places: set[Place]
) -> None:
    """Classify these frames under every book that covers them and make their groups (and `places`) anew."""
    seen: dict[tuple[int, int], Classified] = {}
    members: list[Member] = []
    matches: list[tuple[Any, ...]] = []
    for frame_id, frame in rows.items():
        raw = is_raw(frame.header)
        for book_id, book in books.items():
            if frame.header.get("INSTRUME") not in book.instrumes:
                continue
            known = classified(book, frame)
            seen[book_id, frame_id] = known
            members += [
                ((book_id, rule, hash64(part)), frame_id, known)
                for rule, part in partitions(book, known, raw)
            ]
            offer, keys = file_offer(book, frame_id, known, raw)
            matches += [(key, *offer, book_id) for key in keys]
    copy(
        connection,
        "classified",
        "book_id frame_id tag raw_type derived fired",
        (
            (book_id, frame_id, known.tag, known.raw_type, Jsonb(_plain(known.derived)), list(known.fired))
            for (book_id, frame_id), known in seen.items()
        ),
    )
    parts = ((*place, frame_id) for place, frame_id, _ in members)
    copy(connection, "partition_member", "book_id rule part frame_id", parts)
    copy(connection, "match_key", _MATCH, matches)
    regroup(connection, books, places | {place for place, _, _ in members}, members)


def forget(connection: Connection, frame_ids: Sequence[int]) -> set[Place]:
    """Remove what the books said of these frames; returns the places whose groups they were in."""
    if not frame_ids:
        return set()
    rows = connection.execute(
        "DELETE FROM partition_member WHERE frame_id = ANY(%s) RETURNING book_id, rule, part", [frame_ids]
    )
    places = {(book_id, rule, part) for book_id, rule, part in rows}
    connection.execute("DELETE FROM classified WHERE frame_id = ANY(%s)", [frame_ids])
    connection.execute("DELETE FROM match_key WHERE frame_id = ANY(%s) AND group_id IS NULL", [frame_ids])
    return places


def forget_book(connection: Connection, book_id: int) -> None:
    """Remove everything that a book said; its row stays for the history."""
    for table in ("match_key", "frame_group", "partition_member", "classified"):
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE book_id = %s").format(sql.Identifier(table)), [book_id]
        )


_MEMBERS = """
SELECT p.book_id, p.rule, p.part, f.id, f.dp_id, f.keywords, c.derived, f.hidden, f.certified
FROM unnest(%s::int[], %s::int[], %s::bigint[]) q(book_id, rule, part)
JOIN partition_member p ON (p.book_id, p.rule, p.part) = (q.book_id, q.rule, q.part)
JOIN frame f ON f.id = p.frame_id
JOIN classified c ON c.book_id = p.book_id AND c.frame_id = f.id
WHERE NOT f.id = ANY(%s)
"""
_MATCH = "key middle mjd certified state pool frame_id group_id promise book_id"


def regroup(
    connection: Connection,
    books: Mapping[int, Rulebook],
    places: Iterable[Place],
    fresh: Sequence[Member] = (),
) -> None:
    """Make the groups at these places anew from all their frames; `fresh` are those already at hand."""
    ordered = sorted(places)
    columns = [list(column) for column in zip(*ordered, strict=True)] if ordered else [[], [], []]
    connection.execute(
        "DELETE FROM frame_group g USING unnest(%s::int[], %s::int[], %s::bigint[]) q(book_id, rule, part) "
        "WHERE (g.book_id, g.rule, g.part) = (q.book_id, q.rule, q.part)",
        columns,
    )
    members: dict[Place, dict[str, tuple[int, Classified]]] = {place: {} for place in ordered}
    for place, frame_id, known in fresh:
        members[place][known.dp_id] = (frame_id, known)
    others = connection.execute(_MEMBERS, [*columns, sorted({frame_id for _, frame_id, _ in fresh})])
    for book_id, rule, part, frame_id, dp_id, keywords, derived, hidden, certified in others:
        known = Classified(dp_id, {}, (), merged(keywords, derived), hidden, certified)
        members[book_id, rule, part][dp_id] = (frame_id, known)
    groups: list[tuple[Place, Group, dict[str, int]]] = []
    for (book_id, rule, part), frames in members.items():
        group = form(books[book_id].org_rules[rule], [known for _, known in frames.values()])
        if group:
            ids = {dp_id: frame_id for dp_id, (frame_id, _) in frames.items()}
            groups.append(((book_id, rule, part), group, ids))
    _write_groups(connection, books, groups)


def _write_groups(
    connection: Connection,
    books: Mapping[int, Rulebook],
    groups: Sequence[tuple[Place, Group, dict[str, int]]],
) -> None:
    ids = numbers(connection, "frame_group", len(groups))
    rows, members, matches = [], [], []
    for group_id, ((book_id, rule, part), group, frame_ids) in zip(ids, groups, strict=True):
        middle = middle_of(group.primary.keywords)
        state = STATES.index(group.state)
        rows.append(
            (group_id, book_id, rule, part, group.rule.action, group.raw_type, middle, state, group.content)
        )
        members += [(group_id, n, frame_ids[frame.dp_id]) for n, frame in enumerate(group.frames)]
        for offer, keys in group_offers(books[book_id], group_id, group, frame_ids[group.primary.dp_id]):
            matches += [(key, *offer, book_id) for key in keys]
    copy(connection, "frame_group", "id book_id rule part action raw_type middle state content", rows)
    copy(connection, "group_member", "group_id position frame_id", members)
    copy(connection, "match_key", _MATCH, matches)


def file_offer(book: Rulebook, frame_id: int, known: Classified, raw: bool) -> tuple[Offer, list[int]]:
    """What a file is offered as, and by which match keys it is found."""
    category = known.keywords.get("PRO.CATG")
    pool: Pool = "raw" if raw else "master" if isinstance(category, str) and book.made(category) else "static"
    offer = Offer(
        middle_of(known.keywords),
        time_of(known.keywords),
        known.certified,
        STATES.index("hidden" if known.hidden else "ok"),
        POOLS.index(pool),
        frame_id,
        None,
        None,
    )
    return offer, list(book.keys_of("raw" if raw else "calib", known.keywords))


def group_offers(
    book: Rulebook, group_id: int, group: Group, primary: int
) -> Iterator[tuple[Offer, list[int]]]:
    """What a group promises, and by which match keys it is found; `primary` is its first frame's row."""
    state = STATES.index(group.state)
    for promise in book.actions[group.rule.action].promises:
        keywords = virtual_keywords(promise, group.primary.keywords)
        offer = Offer(
            middle_of(keywords),
            time_of(keywords),
            group.certified,
            state,
            POOLS.index("virtual"),
            primary,
            group_id,
            promise.index,
        )
        yield offer, list(book.keys_of("calib", keywords))


def numbers(connection: Connection, table: str, count: int) -> list[int]:
    """Fresh row numbers of a table."""
    rows = connection.execute(
        "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
    )
    return [number for (number,) in rows]


def copy(connection: Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Stream rows into a table; `columns` are its column names, separated by blanks."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.split()))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


def _plain(derived: Mapping[str, Maybe]) -> dict[str, Any]:
    return {key: None if isinstance(value, Undefined) else value for key, value in derived.items()}
