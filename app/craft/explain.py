"""Why one rule did or did not fire, or choose, for one frame: each clause with the values it saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from app.archive.finding import BookView, Connection, find_frame
from app.archive.index import Rules, answer
from app.associate import Candidate, Dataset, Wish
from app.associate.choosing import Asker, rank, refusal
from app.classify import Classified, Frame, classified, is_raw
from app.craft.places import Place, find
from app.errors import RequestError, UnknownFrameError
from app.header import UNDEFINED, Header, Undefined
from app.oca.evaluate import EMPTY, Keywords, compile_test
from app.oca.syntax import Association
from app.oca.terms import And, Between, Expr, keys
from app.organise import middle_of, virtual_keywords
from app.rulebook import OrgBook, Rulebook, Wanted, night_of
from app.tree import Mode, reasons


def explain(
    connection: Connection, rules: Rules, dp_id: str, rule: str, *, asker: str = "", mode: Mode = "Raw2Raw"
) -> list[str]:
    """What a rule says of a frame, a sentence a line.

    `rule` is a line of the book in force, alone or as FILE:LINE, or the label of an association or name of
    an action. With `asker`, a frame that asks, the association tells why it takes `dp_id` or not.
    Raises UnknownFrameError, NoRulebookError, and RequestError for a rule that is not there.
    """
    case = _Case(connection, rules, asker or dp_id, mode)
    place = find(case.book, rule, [dataset.action for dataset in case.datasets(asker or dp_id)])
    lead = f"{case.book.name}:{place.line}"
    match place.kind:
        case "classification":
            return [*_classification(case.book, place, case.keywords(dp_id), lead)]
        case "organisation":
            return [*case.organisation(case.book.org_rules[place.number], dp_id, lead)]
        case "action":
            return [*case.action(place.action, dp_id, lead)]
        case "association":
            wanted = case.book.actions[place.action].wanted[place.number]
            if asker:
                return [*case.candidate(wanted, place.action, asker, dp_id, lead)]
            return [*case.association(wanted, place.action, dp_id, lead)]


def clauses(condition: Expr, me: Keywords, asker: Keywords = EMPTY, last: Keywords = EMPTY) -> Iterator[str]:
    """Each term of a condition: whether it holds, its text, the values of its keywords.

    A tryBetween never refuses: it says whether the candidate is in or out of its window.
    """
    for term in _terms(condition):
        soft = isinstance(term, Between) and term.soft
        holds = compile_test(replace(term, soft=False) if isinstance(term, Between) else term)(
            me, asker, last
        )
        scopes = {"": me, "inputFile": asker, "LF": last}
        seen = [
            f"{key} = {_value(scopes[key.scope], key.name)}"
            for key in dict.fromkeys(keys(term))
            if key.scope in scopes
        ]
        word = ("in " if holds else "out") if soft else ("yes" if holds else "no ")
        yield f"  {word}  {term}    [{'; '.join(seen)}]"


def _terms(condition: Expr) -> list[Expr]:
    if isinstance(condition, And):
        return [term for part in condition.terms for term in _terms(part)]
    return [condition]


def _value(keywords: Keywords, name: str) -> str:
    value = keywords.get(name, UNDEFINED)
    if isinstance(value, Undefined):
        return "undefined"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _classification(book: Rulebook, place: Place, header: Keywords, lead: str) -> Iterator[str]:
    """A classification rule sees what the rules before it derived."""
    keywords = dict(header)
    for rule in book.class_rules[: place.number]:
        if rule.test(keywords, EMPTY, EMPTY):
            keywords |= {key: value(keywords, EMPTY, EMPTY) for key, value in rule.assigns}
    mine = book.class_rules[place.number]
    fired = mine.test(keywords, EMPTY, EMPTY)
    yield f"{lead} classification: {'fired' if fired else 'did not fire'}"
    yield from clauses(book.rules.class_rules[place.number].condition, keywords)
    if not fired:
        return
    for key, value in mine.assigns:
        keywords[key] = value(keywords, EMPTY, EMPTY)
        yield f"  assigned {key} = {_value(keywords, key)}"
    for rule in book.class_rules[place.number + 1 :]:
        if rule.test(keywords, EMPTY, EMPTY):
            for key, value in rule.assigns:
                keywords[key] = value(keywords, EMPTY, EMPTY)
                if key in dict(mine.assigns):
                    yield f"  but line {rule.line} assigned {key} = {_value(keywords, key)} afterwards"


class _Case:
    """The book in force for a frame, and the index as it sees it."""

    def __init__(self, connection: Connection, rules: Rules, dp_id: str, mode: Mode) -> None:
        row = connection.execute("SELECT instrume, mjd FROM frame WHERE dp_id = %s", [dp_id]).fetchone()
        if row is None:
            raise UnknownFrameError(dp_id)
        if row[1] is None:
            raise RequestError(
                f"{dp_id} has no MJD-OBS, so no night picks its rulebook; name who asks for it"
            )
        self.connection, self.rules, self.mode = connection, rules, mode
        self.book = rules.library.pick(row[0], night_of(row[1]))
        book_id = next(number for number, each in rules.books.items() if each is self.book)
        names = {self.book.instrument.upper(), *self.book.instrumes}
        own = [each for each in rules.breakpoints if each.instrument in names]
        self.view = BookView(connection, self.book, book_id, own, rules.revision)

    def keywords(self, dp_id: str) -> Keywords:
        """The frame's keywords as its header has them."""
        return find_frame(self.connection, None, dp_id)[1]

    def classified(self, dp_id: str) -> Classified:
        """The frame as the book sees it."""
        defined = {k: v for k, v in self.keywords(dp_id).items() if not isinstance(v, Undefined)}
        return classified(self.book, Frame(dp_id, Header(defined)))

    def datasets(self, dp_id: str) -> list[Dataset]:
        """The groups that hold the frame."""
        return self.view.datasets_of(dp_id)

    def organisation(self, rule: OrgBook, dp_id: str, lead: str) -> Iterator[str]:
        """The rule's clauses, and the group that it made of the frame."""
        frame = self.classified(dp_id)
        group = next((each for each in self.datasets(dp_id) if each.rule == rule.index), None)
        last = self.classified(group.files[-1].dp_id).keywords if group else frame.keywords
        made = "made a group of it" if group else "made no group of it"
        yield f"{lead} organisation: {made} for {rule.action}"
        yield from clauses(self.book.rules.org_rules[rule.index].condition, frame.keywords, last=last)
        if rule.raw_only and not is_raw(frame.keywords):
            yield "  no   it takes raw files only, and this has a PRO.CATG"
        for name in rule.group_by:
            yield f"  group by {name} = {_value(frame.keywords, name)}"
        if group:
            enough = {"ok": "enough", "small": "too few", "hidden": "all hidden"}[group.state]
            names = f"{group.files[0].dp_id} … {group.files[-1].dp_id}"
            yield f"  group of {len(group.files)} files, {rule.minimum} wanted ({enough}): {names}"

    def action(self, name: str, dp_id: str, lead: str) -> Iterator[str]:
        """Which rules run the action, and whether a group of the frame does."""
        running = [each for each in self.datasets(dp_id) if each.action == name]
        yield f"{lead} action {name}: {'run' if running else 'not run'} on a group of {dp_id}"
        for rule in self.book.org_rules:
            if rule.action == name:
                yield from self.organisation(rule, dp_id, str(rule.ref))

    def association(self, wanted: Wanted, action: str, dp_id: str, lead: str) -> Iterator[str]:
        """What the association found for the frame's group, and which clause refused how many."""
        if not any(each.action == action for each in self.datasets(dp_id)):
            yield f"{lead} association {wanted.label}: not asked, {dp_id} is in no group for {action}"
            return
        tree = answer(self.connection, self.rules, dp_id, self.mode, True, Wish(action=action))
        slot = next((each for each in tree.root.slots if each.rule == wanted.ref), None)
        if slot is None:
            said = "; ".join(tree.root.messages)
            yield f"{lead} association {wanted.label}: not asked for {dp_id}: {said}"
            return
        wants = f"{slot.minimum} to {slot.maximum}"
        yield f"{lead} association {wanted.label}: chose {len(slot.chosen)} of {wants}"
        asker = next(each for each in self.datasets(dp_id) if each.action == action)
        refused = {(each.clause, each.line): each.count for each in slot.why.refused}
        for clause, term in zip(
            wanted.condition.clauses, _hard(self._condition(wanted, action)), strict=True
        ):
            values = [
                f"{key} = {_value(asker.keywords, key.name)}"
                for key in keys(term)
                if key.scope == "inputFile"
            ]
            given = f"    [{'; '.join(dict.fromkeys(values))}]" if values else ""
            yield f"  refused {refused.get((clause.text, clause.line), 0):4}  {clause.text}{given}"
        texts = {clause.text for clause in wanted.condition.clauses}
        for each in slot.why.refused:
            if each.clause not in texts:
                yield f"  refused {each.count:4}  {each.clause}"
        for choice in slot.chosen:
            days = "" if choice.days is None else f" {choice.days:+.2f} d"
            yield f"  chose {choice.node.files[0].dp_id}{days} {choice.match}"
        # What was counted is told above.
        yield from (f"  {line}" for line in reasons(replace(slot, why=replace(slot.why, counted=False))))

    def _condition(self, wanted: Wanted, action: str) -> Expr:
        rule: Association = next(
            each for each in self.book.rules.actions if each.name == action
        ).associations[wanted.index]
        return rule.condition

    def candidate(self, wanted: Wanted, action: str, asker: str, dp_id: str, lead: str) -> Iterator[str]:
        """Why the association of one frame's group takes another file, or not."""
        group = next((each for each in self.datasets(asker) if each.action == action), None)
        if group is None:
            yield f"{lead} association {wanted.label}: not asked, {asker} is in no group for {action}"
            return
        asking = Asker(
            group.keywords, group.middle, frozenset({group.content}), frozenset(f.dp_id for f in group.files)
        )
        offered = [
            each for each in self._candidates(dp_id) if (each.pool == "raw") == (wanted.wide.side == "raw")
        ]
        same = [each for each in offered if wanted.category in (each.tag, each.keywords.get("PRO.CATG"))]
        if not offered:
            yield f"{lead} association {wanted.label}: {dp_id} is none of its {wanted.wide.side} files"
        for each in same or offered:
            why = refusal(wanted, asking, each, self.view.breakpoints)
            said = (
                f"refuses it: {why.clause}" if why else f"could take it ({rank(wanted, asking, each).match})"
            )
            yield f"{lead} association {wanted.label} of {asker}: {said}, as {each.pool} {each.tag}"
            yield from clauses(self._condition(wanted, action), each.keywords, group.keywords)
        if offered:
            chosen = [line for line in self.association(wanted, action, asker, lead) if "  chose " in line]
            yield from chosen or ["  nothing was chosen"]

    def _candidates(self, dp_id: str) -> Iterator[Candidate]:
        """The file itself, and the virtual products of its groups."""
        file, header = find_frame(self.connection, self.view.book_id, dp_id)
        frame = self.classified(dp_id)
        category = str(frame.keywords.get("PRO.CATG", ""))
        pool: Literal["raw", "static", "master"] = "raw"
        if not is_raw(header):
            pool = "master" if self.book.made(category) else "static"
        lone = Candidate(
            pool=pool,
            ref=0,
            promise=None,
            name=dp_id,
            middle=middle_of(frame.keywords),
            certified=file.certified,
            state="hidden" if self._hidden(dp_id) else "ok",
            keywords=frame.keywords,
            raw_type=frame.raw_type,
            tag=frame.tag,
            content=f"file {dp_id}",
        )
        yield lone
        for group in self.datasets(dp_id):
            for promise in self.book.actions[group.action].promises:
                made = virtual_keywords(promise, group.keywords)
                yield replace(
                    lone,
                    pool="virtual",
                    promise=promise.index,
                    name=group.files[0].dp_id,
                    middle=group.middle,
                    certified=all(each.certified for each in group.files),
                    state=group.state,
                    keywords=made,
                    raw_type=group.raw_type,
                    tag=str(made["DO.CATG"]),
                    content=group.content,
                )

    def _hidden(self, dp_id: str) -> bool:
        row = self.connection.execute("SELECT hidden FROM frame WHERE dp_id = %s", [dp_id]).fetchone()
        assert row is not None
        return bool(row[0])


def _hard(condition: Expr) -> list[Expr]:
    """The terms that can refuse, in the order of `Condition.clauses`."""
    return [term for term in _terms(condition) if not getattr(term, "soft", False)]
