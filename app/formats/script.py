"""A bash script that downloads every file of the cascade once, with curl, and writes the tree beside them.

The script can be run again: whole files are skipped, torn ones continued. It needs bash 3.2 or later
(macOS still has it), curl, and `sha256sum` or `shasum` where checksums are known. Nothing is done before
its last line is read, so half a script does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Final

from app.formats import xml
from app.formats.links import ESO, Links
from app.formats.names import filename, fits_name, one_line, url_name
from app.tree import File, Tree, files, uncertified

_END: Final = "END_OF_TREE"  # no line of a tree is this: they begin with '<' or blanks


def write(tree: Tree, links: Links = ESO) -> bytes:
    """The script; a file's address is `links.files` and its dp_id, its local name `<dp_id>.fits`.

    The download list is the tree's files in walking order, siblings included, each once; a dp_id that the
    archive does not have counts as a missing file. Sizes in bytes and SHA-256 are checked where the tree
    knows them. The tree itself is in the script, as XML.
    """
    return b"".join(stream((tree,), links))


def stream(trees: Iterable[Tree], links: Links = ESO) -> Iterator[bytes]:
    """One script for one or more cascades, one chunk for each; a file that several need comes once."""
    told: set[str] = set()
    title, cascades, known, unknown, missing = "", 0, 0, 0, 0
    before = f"{_HEAD}default_url={quote(links.files)}\n{_FUNCTIONS}"
    for tree in trees:
        cascades += 1
        title = f"{tree.dp_id}: {tree.mode} cascade"
        wanted = [file for file in files(tree.root) if file.dp_id not in told]
        told.update(file.dp_id for file in wanted)
        known += sum(file.size or 0 for file in wanted)
        unknown += sum(file.size is None for file in wanted)
        absent = () if tree.root.files else (f"miss {quote(one_line('; '.join(tree.root.messages)))}",)
        missing += len(absent)
        lines = (
            f"# {one_line(title)}",
            f"# {one_line(f'rules: {tree.rulebook} {tree.checksum}, archive revision {tree.revision}')}",
            *(f"# {one_line(f'not certified: {dp_id}')}" for dp_id in uncertified(tree.root)),
            f"save_tree {quote(filename(tree, '.xml'))} <<'{_END}'",
            f"{xml.write(tree).decode()}{_END}",
            *map(_get, wanted),
            *absent,
        )
        yield (before + "\n".join(lines) + "\n").encode()
        before = ""
    size = f"{known} bytes" + (f" and {unknown} of unknown size" if unknown else "")
    title = f"{title if cascades == 1 else f'{cascades} cascades'}, {len(told)} files, {size}"
    tail = ("}", "", f"title={quote(one_line(title))}", f"count={len(told) + missing}", 'main "$@"', "")
    yield (before + "\n".join(tail)).encode()


def _get(file: File) -> str:
    words = (
        url_name(file.dp_id),
        fits_name(file.dp_id),
        one_line(file.category),
        "-" if file.size is None else str(file.size),
        file.sha256 or "-",
    )
    return "get " + " ".join(map(quote, words))


_HEAD: Final = """\
#!/usr/bin/env bash
# Downloads the files of calibration cascades with curl; run it with --help.
"""

# curl's own --retry starts a torn transfer again from where that call began, so the loop calls curl
# anew: -C - then continues the part, for as long as calls bring something. A server without ranges
# (curl exit 33) or a part longer than the file (HTTP 416) means: once more from the start. The token
# goes through standard input, because everybody on the host can read a command line.
_FUNCTIONS: Final = r"""
set -u -o pipefail

usage() {
    cat <<EOF
$title

Usage: bash $(basename "$0") [FOLDER]

Downloads into FOLDER (default: the current one). Files that are already there and
whole are skipped, torn ones are continued, so it can be run again at any time.
Exits 0 when every file is there, 1 when some are missing (they are listed), 2 for
a wrong call.

Environment:
  CALSEL_URL    where the files are, default: $default_url
  CALSEL_TOKEN  bearer token for protected files; never printed
EOF
}

die() { printf '%s\n' "$1" >&2; exit 2; }

number=0
failed=()
reason=

bytes() { if [ -f "$1" ]; then printf '%d' $(($(wc -c <"$1"))); else printf -- -1; fi; }
same_size() { [ "$2" = - ] || [ "$(bytes "$1")" -eq "$2" ]; }
same_sum() { # file, SHA-256
    local sum
    [ "$2" = - ] && return 0
    sum=$(sha256 "$1")
    [ -z "$sum" ] || [ "$sum" = "$2" ]
}
whole() { [ -f "$1" ] && same_size "$1" "$2" && same_sum "$1" "$3"; }

call() { # part, address: prints the HTTP status
    local options=(-fgL "$progress" --proto =http,https --connect-timeout 30 --retry 2)
    options+=(-C - -o "$1" -w '%{http_code}')
    if [ -n "$token" ]; then
        printf 'Authorization: Bearer %s\n' "$token" | curl "${options[@]}" -H @- -- "$2"
    else
        curl "${options[@]}" -- "$2"
    fi
}

fetch() { # part, address, size: sets reason
    local idle=0 before status code
    while [ $idle -lt 3 ]; do
        before=$(bytes "$1")
        [ "$before" = "$3" ] && return 0
        code=$(call "$1" "$2")
        status=$?
        [ $status -eq 0 ] && return 0
        reason="curl exit $status, HTTP $code"
        case $status:$code in
            33:* | 36:* | 22:416) rm -f -- "$1" ;;
            22:401 | 22:403) reason="HTTP $code: protected, set CALSEL_TOKEN"; return 1 ;;
            22:* | 3:* | 6:* | 7:* | 23:*) return 1 ;;
        esac
        [ "$(bytes "$1")" -gt "$before" ] || idle=$((idle + 1))
        sleep $idle
    done
    return 1
}

get() { # name in the URL, local name, category, size, SHA-256
    local target=$folder/$2 part=$folder/$2.part attempt
    number=$((number + 1))
    if whole "$target" "$4" "$5"; then
        printf '[%d/%d] have   %s %s\n' "$number" "$count" "$3" "$2"
        return
    fi
    printf '[%d/%d] fetch  %s %s\n' "$number" "$count" "$3" "$2"
    for attempt in 1 2; do
        fetch "$part" "$url$1" "$4" || break
        if whole "$part" "$4" "$5"; then
            mv -f -- "$part" "$target" && return
            reason="cannot write $target"
            break
        fi
        reason='size or SHA-256 differs from what the archive says'
        rm -f -- "$part" # it may have begun as another version of the file
    done
    failed+=("$2: $reason")
}

miss() { # what is asked for and not in the archive, and why
    number=$((number + 1))
    failed+=("$1")
}

save_tree() { # local name; the tree is standard input
    cat >"$folder/$1.part" && mv -f -- "$folder/$1.part" "$folder/$1" || die "cannot write $folder/$1"
}

finish() {
    [ ${#failed[@]} -eq 0 ] && exit 0
    printf '%d of %d files are missing:\n' "${#failed[@]}" "$count" >&2
    printf '  %s\n' "${failed[@]}" >&2
    printf 'run the script again to continue\n' >&2
    exit 1
}

main() { # [FOLDER]
    case ${1-} in
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
    esac
    [ $# -le 1 ] || { usage >&2; exit 2; }
    command -v curl >/dev/null || die 'curl is not installed; install it first'
    if command -v sha256sum >/dev/null; then sha256() { sha256sum <"$1" | cut -c1-64; }
    elif command -v shasum >/dev/null; then sha256() { shasum -a 256 <"$1" | cut -c1-64; }
    else sha256() { :; }; printf 'no sha256sum and no shasum: checksums are not verified\n' >&2
    fi

    url=${CALSEL_URL:-$default_url}
    url=${url%/}/
    folder=${1:-.}
    mkdir -p -- "$folder" || die "cannot make the folder $folder"
    case $folder in -*) folder=./$folder ;; esac
    token=${CALSEL_TOKEN-}
    unset CALSEL_TOKEN
    case $token in
        *[!A-Za-z0-9._~+/=-]*) die 'CALSEL_TOKEN is no bearer token (RFC 6750): foreign character' ;;
    esac
    progress=-sS
    [ -t 2 ] && progress=-#
    cascades
    finish
}

# get: name in the URL and on disk, category, size in bytes, SHA-256 ('-': not known)
cascades() {
"""
