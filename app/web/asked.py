"""The question of a client, read from a query or a form; names, and values other than dp_ids, ignore case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from starlette.requests import Request

from app import forms
from app.associate import NOTHING, Wish
from app.errors import RequestError
from app.formats import FORMATS, Format
from app.forms import Fields, TooLargeError
from app.tree import Mode
from app.web.negotiate import NotAcceptableError, choose
from app.web.wishes import Faults, is_dp_id, once, pairs, read_flag, read_wish

# ESO's own client sends 100 at a time (astroquery.eso). So many still fit into the address of a GET, and are
# some ten seconds of work: whoever needs more is better served by several requests side by side.
MOST: Final = 10_000
_SPLIT: Final = f"ask for at most {MOST} dp_ids at a time, in several requests"
# An archive as it was, or without some frames, is made for each dp_id anew while nobody else may write.
MOST_REWRITTEN: Final = 100
_SHOWN: Final = 200  # characters of what is refused


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: each dp_id once, in the order of first mention.

    `explain` is None where the request does not say: then JSON tells the reasons and nothing else does.
    """

    dp_ids: tuple[str, ...]
    mode: Mode
    format: Format
    explain: bool | None = None
    wish: Wish = NOTHING

    @property
    def counted(self) -> bool:
        """Whether the reasons are counted, which costs time."""
        return self.explain if self.explain is not None else self.format.name == "json"

    @property
    def told(self) -> bool:
        """Whether messages tell the reasons. To a question of CalSelector's they are CalSelector's."""
        return self.explain if self.explain is not None else self.wish != NOTHING

    @property
    def further(self) -> tuple[tuple[str, str], ...]:
        """The parameters beyond CalSelector's, as they would stand in an address."""
        explain = (("explain", str(self.explain).lower()),) if self.explain is not None else ()
        return (*explain, *pairs(self.wish))


async def question(request: Request) -> Asked:
    """The question of a GET or a POST, or a RequestError that lists everything wrong with it."""
    values = await forms.read(request)
    faults: Faults = []
    wanted = _format(request, values, faults)
    request.state.format = wanted  # an error is told in it, too
    asked = Asked(
        dp_ids=_dp_ids(values, faults),
        mode=_mode(once("mode", values, faults), faults),
        format=wanted,
        explain=read_flag("explain", values, faults),
        wish=read_wish(values, faults),
    )
    if asked.wish.rewrites and len(asked.dp_ids) > MOST_REWRITTEN:
        faults.append(f"with exclude or as_of, ask for at most {MOST_REWRITTEN} dp_ids at a time")
    if faults:
        raise RequestError("\n".join(faults))
    return asked


def _format(request: Request, values: Fields, faults: Faults) -> Format:
    try:
        return choose(once("responseformat", values, faults), request.headers.get("accept", ""))
    except NotAcceptableError:
        raise
    except RequestError as error:
        faults.append(str(error))
        return FORMATS["xml"]


def _mode(word: str | None, faults: Faults) -> Mode:
    modes = get_args(Mode)
    for mode in modes:
        if word == mode.lower():
            return mode  # type: ignore[no-any-return]
    if word is not None:
        faults.append(f"there is no mode {word!r}; mode is one of {', '.join(modes)}")
    return "Raw2Raw"


def _dp_ids(values: Fields, faults: Faults) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(value.strip() for value in values.get("dp_id", [])))
    if not given:
        others = f" (only {', '.join(sorted(values))[:_SHOWN]})" if values else ""
        faults.append(
            f"no dp_id is given{others}; name the science frame as dp_id=<ID>, repeated for several, "
            "in the query of a GET or the form (application/x-www-form-urlencoded) of a POST"
        )
    if len(given) > MOST:
        raise TooLargeError(f"{len(given)} dp_ids are asked for; {_SPLIT}")
    next((dp_id for dp_id in given if not is_dp_id("dp_id", dp_id, faults)), None)  # one such is enough
    return given
