"""The part of the script that is the same for all chains."""

from __future__ import annotations

from typing import Final

HEAD: Final = """\
#!/usr/bin/env bash
# Makes an archive product again from the files it was made from. Run it with --help.
"""

# Nothing is done before the last line is read, so half a script does nothing. The token goes to curl through
# standard input, because everybody on the host can read a command line.
FUNCTIONS: Final = r"""
set -eu -o pipefail

usage() {
    cat <<EOF
$title

Usage: bash $(basename "$0") [FOLDER [FILES]]

Works in FOLDER (default: ./reproduced): files/ what it starts from, products/ what the recipes
make, steps/ their logs. What is in FILES (searched below, by name and SHA-256) is not fetched.
It can be run again at any time and goes on where it stopped.

Environment:
  CALSEL_URL          where the files are, default: $default_url
  CALSEL_TOKEN        bearer token for protected files; never printed
  ESOREX              the program, default: esorex
  CALSEL_PYTHON       a Python with calselector, for packaging; default: python3
  CALSEL_ANY_VERSION  not empty: take other versions of a pipeline where the right one is missing
EOF
}

die() { printf '%s\n' "$1" >&2; exit 1; }
note() { printf 'note: %s\n' "$1" >&2; }

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -c1-64
}
right() { # file, SHA-256
    [ -f "$1" ] || return 1
    [ "$2" = - ] || [ "$(sha256 "$1")" = "$2" ]
}

call() { # address, part
    set -- -fsSgL --proto =http,https --connect-timeout 30 --retry 3 -C - -o "$2" -- "$1"
    if [ -n "$token" ]; then
        printf 'Authorization: Bearer %s\n' "$token" | curl -H @- "$@"
    else
        curl "$@"
    fi
}

get() { # name in the URL, here, its name where it was taken, size, SHA-256
    local target=$folder/$2 part=$folder/$2.part found
    if right "$target" "$5"; then return; fi
    if [ -n "$files" ]; then
        while IFS= read -r found; do
            case ${found##*/} in
                "$3" | "${2#files/}") if right "$found" "$5"; then ln -sf -- "$found" "$target"; return; fi ;;
            esac
        done < <(grep -F -e "/$3" -e "/${2#files/}" "$folder/files/.here")
    fi
    command -v curl >/dev/null || die "curl is not installed, and $3 is not in a local folder"
    printf 'fetch %s\n' "$1"
    rm -f -- "$target"
    # A part that cannot be continued, or began as another version of the file, is fetched anew.
    if ! { call "$url$1" "$part" && right "$part" "$5"; }; then
        rm -f -- "$part"
        call "$url$1" "$part" || die "$1 cannot be fetched from $url; is it protected, or in another folder?"
        right "$part" "$5" || die "$1: its SHA-256 is not $5: the archive holds another version by now"
    fi
    mv -f -- "$part" "$target"
}

recipes_of() { # pipeline, as naco/4.4.11: prints the directory of its recipes
    local place found wanted=${1%/*}-${1##*/} other=
    for place in "${plugin_places[@]}" "$(dirname "$(dirname "$program")")/lib/esopipes-plugins"; do
        if [ -d "$place/$wanted" ]; then printf '%s' "$place/$wanted"; return; fi
        for found in "$place/${1%/*}"-[0-9]*; do [ ! -d "$found" ] || other=$found; done
    done
    [ -n "$other" ] || die "no pipeline ${1%/*} is installed; it was $1"
    [ -n "${CALSEL_ANY_VERSION-}" ] ||
        die "$1 is not installed, only ${other##*/}: products may differ; set CALSEL_ANY_VERSION=1 to take it"
    note "$1 is not installed: takes ${other##*/}, products may differ"
    printf '%s' "$other"
}

begin() { # name of the step, recipe, pipeline, esorex: false when its products are there
    step=$1 recipe=$2 pipeline=$3 room=$folder/steps/$1.part count=0 outputs=()
    if [ -f "$folder/steps/$1/SHA256" ] && whole "$folder/steps/$1/SHA256"; then
        printf 'have  %s\n' "$1"
        return 1
    fi
    printf 'run   %s\n' "$1"
    [ "$pipeline" != - ] || die "$1: nobody knows the pipeline of $recipe"
    [ "$4" = - ] || [ "$4" = "$esorex_version" ] || note "esorex was $4, this one is $esorex_version"
    rm -rf -- "$room" "$folder/steps/$1"
    mkdir -p -- "$room/in" "$room/run" "$room/out" "$room/home"
}
whole() { # a list of SHA-256 and files
    local sum name
    while read -r sum name; do right "$folder/$name" "$sum" || return 1; done <"$1"
}

take() { # file, tag, name where it is not the file's own
    local link
    link=in/$(printf '%03d' $count)/$(basename "${3-$1}")
    count=$((count + 1))
    mkdir -p -- "$room/$(dirname "$link")"
    ln -s -- "$folder/$1" "$room/$link"
    printf '../%s %s\n' "$link" "$2" >>"$room/task.sof"
}

reduce() { # parameters
    local bin recipes command status=0
    bin=$(dirname "$program")
    case $pipeline in
        calselector/*) command=("$python" -m processing.phase3 "$@" ../task.sof --output-dir=../out) ;;
        *)
            recipes=$(recipes_of "$pipeline")
            command=("$program" "--recipe-dir=$recipes" "${options[@]}" "$recipe" "$@" ../task.sof)
            ;;
    esac
    (cd "$room/run" && exec env -i PATH="$bin:/usr/bin:/bin" HOME="$room/home" "${environment[@]}" \
        "${command[@]}") >"$room/terminal.log" 2>&1 </dev/null || status=$?
    [ $status -eq 0 ] || die "$recipe ended with $status; see $room/terminal.log and $room/out/esorex.log"
    case $pipeline in
        calselector/*)
            "$python" -c 'import json, sys
for each in json.load(sys.stdin): print(each["name"], each["category"])' \
                <"$room/out/products.json" >"$room/out/products.sof"
            ;;
    esac
}

give() { # PRO.CATG, which of these, where to
    local made
    made=$(awk -v tag="$1" -v number="$2" '$NF == tag && ++n == number { print $1 }' "$room/out/products.sof")
    [ -n "$made" ] || die "$recipe made no $1 (number $2); see $room/terminal.log"
    mv -f -- "$room/out/$(basename "$made")" "$folder/$3"
    outputs+=("$3")
}

end() {
    local each
    for each in "${outputs[@]}"; do printf '%s %s\n' "$(sha256 "$folder/$each")" "$each"; done >"$room/SHA256"
    for each in "$room/out/esorex.log"; do [ ! -f "$each" ] || mv -f -- "$each" "$room"; done
    rm -rf -- "$room/in" "$room/run" "$room/out" "$room/home"
    mv -- "$room" "$folder/steps/$step"
}

done_with() { printf 'made  %s\n' "$folder/$1"; }

main() { # [FOLDER [FILES]]
    case ${1-} in
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
    esac
    [ $# -le 2 ] || { usage >&2; exit 2; }
    url=${CALSEL_URL:-$default_url}
    url=${url%/}/
    token=${CALSEL_TOKEN-}
    unset CALSEL_TOKEN
    case $token in
        *[!A-Za-z0-9._~+/=-]*) die 'CALSEL_TOKEN is no bearer token (RFC 6750): foreign character' ;;
    esac
    python=$(command -v "${CALSEL_PYTHON:-python3}" || true)
    program=$(command -v "${ESOREX:-esorex}") || die 'esorex is not installed; name it in ESOREX'
    esorex_version=$("$program" --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p' | head -n 1)
    folder=${1:-reproduced} files=${2-}
    mkdir -p -- "$folder/files" "$folder/products" "$folder/steps"
    folder=$(cd -- "$folder" && pwd)
    if [ -n "$files" ]; then
        files=$(cd -- "$files" && pwd) || die "there is no folder $2"
        find -L "$files" -type f >"$folder/files/.here"
    fi
    work
}
"""
