"""`calsel certify` and `calsel qc`: what people say of frames, and what products measured of themselves."""

from __future__ import annotations

import getpass
import os
from collections import defaultdict
from pathlib import Path

import click

from app import config
from app.archive import qc
from app.archive.index import Index
from app.archive.qc import Measured
from app.archive.quality import Verdict, judge
from app.cli.trend import plot, sparkline
from app.errors import RequestError
from app.opening import open_index
from app.rulebook import night_date, night_of
from app.rulebook.thresholds import GRADES, Grade, load_standards

_COLOUR: dict[Grade, str] = {"good": "green", "warning": "yellow", "bad": "red", "unscored": "bright_black"}


def _account() -> str:
    """The account that runs this; its number where it has no name, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.command("certify", short_help="Accept, reject, hide or show frames.")
@click.argument("dp_ids", nargs=-1)
@click.option("--reject", is_flag=True, help="Take the certification away.")
@click.option("--hide", is_flag=True, help="Bad quality: never choose it again.")
@click.option("--show", is_flag=True, help="Undo --hide.")
@click.option("--reason", default="", help="Why, kept in the history; --reject and --hide need it.")
@click.option("--who", default=_account, help="Who says so; kept in the history.  [default: you]")
@click.option(
    "--scored",
    type=click.Choice(["good"]),
    help="Certify the products, of DP_IDS or of all that nobody has judged, whose every score is good.",
)
@click.option("--instrument", help="With --scored: of this instrument only.")
@click.option("--category", help="With --scored: of this PRO.CATG only.")
@click.option("--dry-run", is_flag=True, help="With --scored: say which, and certify none.")
def certify_command(
    dp_ids: tuple[str, ...],
    reject: bool,
    hide: bool,
    show: bool,
    reason: str,
    who: str,
    scored: str | None,
    instrument: str | None,
    category: str | None,
    dry_run: bool,
) -> None:
    """Say that frames passed quality control; masters are chosen only once certified.

    DP_IDS are raw frames, or products by their file's name without .fits. One that is not in the archive
    leaves all of them as they were.

    --scored good looks at products that nobody has certified, rejected or hidden, and certifies those for
    which there are thresholds (rules/<instrument>/qc.toml) and every number is inside them. What a person
    has rejected is never certified so.
    """
    if reject + hide + show > 1:
        raise click.UsageError("--reject, --hide and --show exclude each other; call certify for each")
    if scored is None and (instrument or category or dry_run):
        raise click.UsageError("--instrument, --category and --dry-run go with --scored")
    if scored is not None:
        if reject + hide + show:
            raise click.UsageError("--scored certifies; --reject, --hide and --show take DP_IDS")
        _certify_scored(dp_ids, instrument, category, who, reason, dry_run)
        return
    if not dp_ids:
        raise click.UsageError("name the frames: DP_IDS, or --scored good")
    if (reject or hide) and not reason.strip():
        raise click.UsageError("--reject and --hide need --reason: why, for the history")
    verdict: Verdict = "rejected" if reject else "hidden" if hide else "shown" if show else "certified"
    with open_index(config.read()) as index, index.writing() as (connection, books):
        count = judge(connection, books, dp_ids, verdict, who, reason)
    click.echo(f"{count} {verdict}")


def _certify_scored(
    dp_ids: tuple[str, ...],
    instrument: str | None,
    category: str | None,
    who: str,
    reason: str,
    dry_run: bool,
) -> None:
    settings = config.read()
    with open_index(settings) as index, index.writing() as (connection, books):
        library = index.rules(connection).library
        standards = load_standards(settings.rules, library)
        waiting = qc.unjudged(
            connection,
            dp_ids=dp_ids or None,
            instrumes=None if instrument is None else library.instrumes(instrument),
            category=category,
        )
        good: dict[str, list[str]] = defaultdict(list)
        for dp_id in waiting:
            found = qc.scores(connection, standards, dp_id)
            grade = qc.grade(found)
            told = [each for each in found if each.threshold and each.score.grade == grade]
            why = "; ".join(f"{each.parameter} {each.score.reason}".strip() for each in told)
            detail = f"{len(told)} numbers" if grade == "good" else why or "no thresholds for its category"
            click.secho(f"{grade:8}  {dp_id}  {detail}", fg=_COLOUR[grade])
            if grade == "good":
                good[standards[found[0].instrume, found[0].category].file].append(dp_id)
        for file, names in good.items():
            if not dry_run:
                judge(connection, books, names, "certified", who, f"scored good by {file}. {reason}".strip())
    count = sum(map(len, good.values()))
    click.echo(f"{count} of {len(waiting)} {'would be ' if dry_run else ''}certified")


@click.command("qc", short_help="Numbers of quality control, over time, with scores.")
@click.argument("dp_ids", nargs=-1)
@click.option("--instrument", help="Of this instrument: the name of its rules, or INSTRUME.")
@click.option("--category", help="Of this PRO.CATG.")
@click.option("--parameter", help="This number only, product by product; QC. may be left out.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="The newest so many.")
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the trend of --parameter with its limits (PNG, PDF or SVG).",
)
def qc_command(
    dp_ids: tuple[str, ...],
    instrument: str | None,
    category: str | None,
    parameter: str | None,
    limit: int,
    picture: Path | None,
) -> None:
    """Print what products measured of themselves (QC keywords), and what that is worth.

    Of each product of DP_IDS every number with its score: good, warning, bad, or unscored where there is no
    threshold or no history yet. Without DP_IDS the trend of each number of an instrument and category.
    """
    if dp_ids and (instrument or category):
        raise click.UsageError("name products, or an instrument and a category")
    if not dp_ids and not instrument:
        raise click.UsageError("name products (DP_IDS), or --instrument and --category")
    if picture and not parameter:
        raise click.UsageError("--plot draws one number: name it with --parameter")
    settings = config.read()
    with open_index(settings) as index:
        if dp_ids and not picture:
            _products(index, settings.rules, dp_ids, parameter)
            return
        with index.connection() as connection:
            library = index.rules(connection).library
            found = qc.measured(
                connection,
                load_standards(settings.rules, library),
                dp_ids=dp_ids or None,
                instrumes=library.instrumes(instrument) if instrument else None,
                category=category,
                parameter=parameter,
                limit=limit,
            )
    if not found:
        raise RequestError("nothing was recorded of such products; 'calsel frames' lists what there is")
    if picture:
        plot(found, picture)
        click.echo(f"{len(found)} values in {picture}")
    elif parameter:
        for each in found:
            click.secho(f"{_night(each)}  {_line(each)}  {each.dp_id}{_flag(each)}", fg=_colour(each))
    else:
        _trends(found)


def _products(index: Index, rules: Path, dp_ids: tuple[str, ...], parameter: str | None) -> None:
    with index.connection() as connection:
        standards = load_standards(rules, index.rules(connection).library)
        for dp_id in dp_ids:
            found = qc.scores(connection, standards, dp_id)
            if not found:
                raise RequestError(f"{dp_id} has no numbers of quality control in its header")
            first = found[0]
            standard = standards.get((first.instrume, first.category))
            by = f"  ({standard.file})" if standard else ""
            click.echo(f"{dp_id}  {first.instrume} {first.category}{_flag(first)}: {qc.grade(found)}{by}")
            for each in sorted(found, key=lambda e: (-GRADES.index(e.score.grade), e.parameter)):
                if parameter is None or each.parameter == qc.full_name(parameter):
                    click.secho(f"  {_line(each)}", fg=_colour(each))


def _trends(found: list[Measured]) -> None:
    """A line for each number: how its last value scores, and how it went."""
    series: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for each in found:
        series[each.category, each.parameter].append(each)
    for (category, _), values in sorted(series.items()):
        drawn = sparkline([each.value for each in values if each.value is not None])
        last = values[-1]
        click.secho(f"{category}  {_line(last)}  {len(values)} values {drawn}", fg=_colour(last))


def _line(each: Measured) -> str:
    value = "absent" if each.value is None else f"{each.value:.6g}"
    words = [f"{each.score.grade:8}", f"{each.parameter:24}", f"{value:>12} {each.unit:6}"]
    if each.threshold and each.threshold.good:
        words.append(f"{each.threshold.good[0]:g} to {each.threshold.good[1]:g}")
    if each.score.median is not None and each.score.mad is not None:
        words.append(f"median {each.score.median:.6g} ± {each.score.mad:.2g} of {each.score.past}")
    if each.score.reason and each.threshold:
        words.append(f"({each.score.reason})")
    return "  ".join(words).rstrip()


def _night(each: Measured) -> str:
    return "no time   " if each.mjd is None else night_date(night_of(each.mjd)).isoformat()


def _flag(each: Measured) -> str:
    return "  hidden" if each.hidden else "" if each.certified else "  not certified"


def _colour(each: Measured) -> str | None:
    return _COLOUR[each.score.grade] if each.threshold else None


COMMANDS = (certify_command, qc_command)
