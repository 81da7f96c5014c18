"""Positions on the sky as SQL over right ascension and declination, all in degrees.

Where a frame has no position these are null. Rounding must not lead out of the range of asin, hence atan2;
least() and greatest() would not do: they leave nulls out.
"""

from __future__ import annotations

from typing import Final

RA: Final = "(CASE jsonb_typeof(f.keywords -> 'RA') WHEN 'number' THEN (f.keywords ->> 'RA')::float8 END)"
DEC: Final = "(CASE jsonb_typeof(f.keywords -> 'DEC') WHEN 'number' THEN (f.keywords ->> 'DEC')::float8 END)"

# A raw frame is where the telescope pointed: a point, written as ESO's archive does.
REGION: Final = f"'POSITION J2000 ' || {RA} || ' ' || {DEC}"

# The galactic pole and the longitude of the ascending node at J2000 (Hipparcos catalogue, vol. 1, §1.5.3).
_POLE_RA, _POLE_DEC, _NODE = 192.85948, 27.12825, 32.93192
_SIN_B: Final = (
    f"(sind({DEC}) * sind({_POLE_DEC}) + cosd({DEC}) * cosd({_POLE_DEC}) * cosd({RA} - {_POLE_RA}))"
)
GAL_LAT: Final = f"atan2d({_SIN_B}, sqrt(abs(1 - {_SIN_B} ^ 2)))"
_GAL_LON: Final = (
    f"{_NODE} + atan2d(sind({DEC}) - {_SIN_B} * sind({_POLE_DEC}), "
    f"cosd({DEC}) * cosd({_POLE_DEC}) * sind({RA} - {_POLE_RA}))"
)
# The mean obliquity at J2000 (IAU 1976).
_OBLIQUITY = 23.4392911
GAL_LON: Final = f"({_GAL_LON}) - 360 * floor(({_GAL_LON}) / 360)"
_SIN_BETA: Final = f"(sind({DEC}) * cosd({_OBLIQUITY}) - cosd({DEC}) * sind({_OBLIQUITY}) * sind({RA}))"
ECL_LAT: Final = f"atan2d({_SIN_BETA}, sqrt(abs(1 - {_SIN_BETA} ^ 2)))"
_ECL_LON: Final = (
    f"atan2d(sind({RA}) * cosd({DEC}) * cosd({_OBLIQUITY}) + sind({DEC}) * sind({_OBLIQUITY}), "
    f"cosd({RA}) * cosd({DEC}))"
)
ECL_LON: Final = f"({_ECL_LON}) - 360 * floor(({_ECL_LON}) / 360)"
