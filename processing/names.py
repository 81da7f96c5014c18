"""What files are called where a recipe reads them: short enough for the cards that recipes write."""

from __future__ import annotations

import hashlib
import re
from typing import Final

# A card has 80 characters, and CPL cuts what does not fit: `HIERARCH ESO PRO REC1 RAW100 NAME= '…'` has 43.
LONGEST: Final = 43
_ENDING: Final = re.compile(r"\.fits(?:\.\w{1,3})?$", re.IGNORECASE)


def input_name(name: str) -> str:
    """The name under which a recipe reads a file, which it writes into PRO.RECi.RAWj.NAME and CALj.NAME.

    It is the file's own but for blanks, which esorex cannot read in an SOF, and quotes, which count twice in
    a card: both become '_'. A name that is too long is cut, where it has one at a '_', and gets the beginning
    of its SHA-256 to stay unique: `r.<dp_id>_<six digits>.fits` of a product of ours.
    """
    plain = re.sub(r"[\s']", "_", name)
    if len(plain) <= LONGEST:
        return plain
    ending = plain[len(_ENDING.sub("", plain)) :]
    digest = hashlib.sha256(plain.encode()).hexdigest()[:6]
    room = LONGEST - len(f"_{digest}{ending}")
    return f"{plain[: room + 1].rpartition('_')[0] or plain[:room]}_{digest}{ending}"
