#!/usr/bin/env bash
# Downloads the files of calibration cascades with curl; run it with --help.
default_url=https://dataportal.eso.org/dataPortal/file/

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
# UVES.2012-03-04T02:00:00.000: Raw2Raw cascade
# rules: uves-1 c0ffee, archive revision 17
save_tree UVES.2012-03-04T02:00:00.000_raw2raw.xml <<'END_OF_TREE'
<?xml version="1.0" encoding="UTF-8"?>
<association category="SCI_POINT" certified="true" complete="false"
    mode="Raw2Raw" type="main">
    <mainFiles>
        <file category="SCI_POINT_RED" name="UVES.2012-03-04T02:00:00.000"/>
    </mainFiles>
    <messages>
        <message text="no ORDER_TABLE within ±1 d of &quot;2012-03-04&quot; &amp; nearby"/>
    </messages>
    <associatedFiles>
        <association category="LINE_REFER_TABLE" certified="true"
            complete="true" match="N/A" type="main">
            <mainFiles>
                <file category="LINE_REFER_TABLE" name="M.UVES.2010-01-01T00:00:00.000"/>
            </mainFiles>
            <messages/>
            <associatedFiles/>
        </association>
        <association category="ACQUISITION" certified="false"
            complete="true" match="N/A" type="auxiliary">
            <mainFiles>
                <file category="ACQ" name="UVES.2012-03-04T01:00:00.000"/>
            </mainFiles>
            <messages/>
            <associatedFiles/>
        </association>
        <association category="FLAT_RED" certified="true"
            complete="true" match="extended" type="main">
            <mainFiles>
                <file category="FLAT_RED" name="UVES.2012-03-02T10:05:00.000"/>
                <file category="FLAT_RED" name="UVES.2012-03-02T10:06:00.000"/>
            </mainFiles>
            <messages/>
            <associatedFiles>
                <association category="BIAS_RED" certified="true"
                    complete="true" match="calib_plan" type="main">
                    <mainFiles>
                        <file category="BIAS_RED" name="UVES.2012-03-03T10:00:00.000"/>
                        <file category="BIAS_RED" name="UVES.2012-03-03T10:01:00.000"/>
                        <file category="BIAS_RED" name="UVES.2012-03-03T10:02:00.000"/>
                    </mainFiles>
                    <messages/>
                    <associatedFiles/>
                </association>
            </associatedFiles>
        </association>
        <association category="BIAS_RED" certified="true"
            complete="true" match="calib_plan" type="main">
            <mainFiles>
                <file category="BIAS_RED" name="UVES.2012-03-03T10:00:00.000"/>
                <file category="BIAS_RED" name="UVES.2012-03-03T10:01:00.000"/>
                <file category="BIAS_RED" name="UVES.2012-03-03T10:02:00.000"/>
            </mainFiles>
            <messages/>
            <associatedFiles/>
        </association>
    </associatedFiles>
</association>
END_OF_TREE
get UVES.2012-03-04T02:00:00.000 UVES.2012-03-04T02:00:00.000.fits SCI_POINT_RED 9000000 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
get M.UVES.2010-01-01T00:00:00.000 M.UVES.2010-01-01T00:00:00.000.fits LINE_REFER_TABLE 46080 abababababababababababababababababababababababababababababababab
get UVES.2012-03-04T01:00:00.000 UVES.2012-03-04T01:00:00.000.fits ACQ - -
get UVES.2012-03-02T10:05:00.000 UVES.2012-03-02T10:05:00.000.fits FLAT_RED 4000000 -
get UVES.2012-03-02T10:06:00.000 UVES.2012-03-02T10:06:00.000.fits FLAT_RED 4000000 -
get UVES.2012-03-03T10:00:00.000 UVES.2012-03-03T10:00:00.000.fits BIAS_RED 4000000 -
get UVES.2012-03-03T10:01:00.000 UVES.2012-03-03T10:01:00.000.fits BIAS_RED 4000000 -
get UVES.2012-03-03T10:02:00.000 UVES.2012-03-03T10:02:00.000.fits BIAS_RED 4000000 -
}

title='UVES.2012-03-04T02:00:00.000: Raw2Raw cascade, 8 files, 29046080 bytes and 1 of unknown size'
count=8
main "$@"
