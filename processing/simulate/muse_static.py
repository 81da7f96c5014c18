"""MUSE's static files: arc lines, geometry and astrometry of the field, extinction, response."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from processing.simulate import muse_light as light
from processing.simulate.fits import Value, write_images, write_table
from processing.simulate.muse_sky import EXTINCTION, LAMPS, RESPONSE

_NAME = "M.MUSE.2017-10-02T12:00:00.00"
DECOYS = {f"{_NAME}5": "a response of another mode, archived later"}


def write(folder: Path) -> None:
    """Write every static file, `<dp_id>.fits`."""
    lines = [(wave, flux, lamp.ion(wave)) for lamp in LAMPS for wave, flux in lamp.lines.items()]
    lines.sort()
    write_table(
        folder / f"{_NAME}1.fits",
        {
            "lambda": np.array([wave for wave, _, _ in lines], np.float32),
            "flux": np.array([flux for _, flux, _ in lines], np.float32),
            "ion": np.array([ion for _, _, ion in lines], "S8"),
            "quality": np.full(len(lines), 5, np.int32),
            "comment": np.full(len(lines), b"", "S8"),
        },
        {**_static("LINE_CATALOG"), "VERSION": 3},
        {"EXTNAME": "LINE_CATALOG"},
    )
    write_table(folder / f"{_NAME}2.fits", light.columns(), _static("GEOMETRY_TABLE"))
    wave = np.arange(4000.0, 10001.0, 10.0)
    extinction = {"lambda": wave, "extinction": np.full_like(wave, EXTINCTION)}
    write_table(folder / f"{_NAME}3.fits", extinction, _static("EXTINCT_TABLE"))
    # The response of data whose flat field has kept the lamp's spectrum out, as the recipes make them. The
    # decoy is newer, but of the mode with adaptive optics.
    response = {
        "lambda": wave,
        "response": RESPONSE + 2.5 * np.log10(light.efficiency(wave)),
        "resperr": np.full_like(wave, 0.01),
    }
    for number, mode in ((4, "WFM-NOAO-N"), (5, "WFM-AO-N")):
        own: dict[str, Value] = {"INS.MODE": mode, "DRS.MUSE.FLUX.FFCORR": True}
        write_table(folder / f"{_NAME}{number}.fits", response, _static("STD_RESPONSE") | own)

    # The field as it is: no rotation, spaxels of 0.2 arcsec.
    world: dict[str, Value] = {"WCSAXES": 2, "CD1_2": 0.0, "CD2_1": 0.0}
    for axis, name, step in ((1, "RA---TAN", -0.2), (2, "DEC--TAN", 0.2)):
        world |= {f"CTYPE{axis}": name, f"CUNIT{axis}": "deg", f"CRVAL{axis}": 0.0, f"CRPIX{axis}": 0.0}
        world[f"CD{axis}_{axis}"] = step / 3600
    write_images(folder / f"{_NAME}6.fits", _static("ASTROMETRY_WCS") | world, [])


def _static(category: str) -> dict[str, Value]:
    return {"INSTRUME": "MUSE", "INS.OPTI2.NAME": "WFM", "PRO.CATG": category}
