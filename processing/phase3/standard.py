"""The standard's tables: the keywords that each category of product must, should and must not have.

ESO-044286 v8, table 8 and section 5, for the categories that this project packages. Indexed keywords stand
with index 1: the rules for the others follow from the count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

IMAGE = "SCIENCE.IMAGE"
MOSAIC = "SCIENCE.MEFIMAGE"
SPECTRUM = "SCIENCE.SPECTRUM"
CUBE = "SCIENCE.CUBE.IFS"
KINDS = (IMAGE, MOSAIC, SPECTRUM, CUBE)

Kind: TypeAlias = Literal["bool", "int", "real", "text"]

# 3.4.1: what a FITS string holds without the CONTINUE convention.
LONGEST_NAME = 68

_ALL = (
    "PRODCATG ORIGIN TELESCOP INSTRUME OBJECT RA DEC RADESYS EXPTIME TEXPTIME MJD-OBS MJD-END OBSTECH "
    "FLUXCAL PROCSOFT REFERENC DATE"
)

# Mandatory in the primary header; CHECKSUM and DATASUM are asked of every HDU.
PRIMARY: Mapping[str, tuple[str, ...]] = {
    IMAGE: tuple(f"{_ALL} FILTER".split()),
    MOSAIC: tuple(f"{_ALL} FILTER".split()),
    SPECTRUM: tuple(
        f"{_ALL} SPECSYS CONTNORM TOT_FLUX FLUXERR WAVELMIN WAVELMAX SPEC_BIN SNR SPEC_RES".split()
    ),
    CUBE: tuple(
        f"{_ALL} DATE-OBS SPECSYS WAVELMIN WAVELMAX SPEC_RES SKY_RES ABMAGLIM PIXNOISE ASSON1".split()
    ),
}

# Mandatory for files of ESO's telescopes ("ME").
ESO_ONLY = ("PROG_ID", "OBID1", "NCOMBINE")

CELESTIAL = tuple("CRVAL1 CRVAL2 CRPIX1 CRPIX2 CTYPE1 CTYPE2 CUNIT1 CUNIT2 CD1_1 CD1_2 CD2_1 CD2_2".split())

# Mandatory beside the pixels of a science image.
PIXELS = ("BUNIT", *CELESTIAL, *"PHOTZP PHOTSYS ABMAGLIM ABMAGSAT PSF_FWHM".split())

# Mandatory beside the voxels of a cube (the errors of the WCS: validator).
VOXELS = (
    "BUNIT",
    *CELESTIAL,
    *"CTYPE3 CRVAL3 CRPIX3 CUNIT3 CD3_3 HDUCLASS HDUDOC HDUVERS HDUCLAS1 HDUCLAS2".split(),
)

# Mandatory in the extension of a spectrum.
TABLE = tuple(
    "OBJECT RA DEC NELEM VOCLASS VOPUB TITLE APERTURE TELAPSE TMID SPEC_VAL SPEC_BW TFIELDS EXTNAME "
    "TTYPE1 TTYPE2 TTYPE3 TFORM1 TFORM2 TFORM3 TUNIT1 TUNIT2 TUNIT3 TUTYP1 TUTYP2 TUTYP3 "
    "TUCD1 TUCD2 TUCD3 TDMIN1 TDMAX1".split()
)

# Recommended ("RE", "RC"); ARCFILE is left to the archive that takes the file in.
RECOMMENDED_PRIMARY = ("ORIGFILE",)
RECOMMENDED_PIXELS = ("PHOTZPER", "CRDER1", "CRDER2", "CSYER1", "CSYER2")
RECOMMENDED_SPECTRUM = ("SPEC_ERR", "SPEC_SYE", "RA_ERR", "DEC_ERR")

# Not allowed in any HDU: 5.4 (one CD matrix, nothing else).
FORBIDDEN = tuple(
    "CDELT1 CDELT2 CDELT3 CROTA1 CROTA2 PC1_1 PC1_2 PC2_1 PC2_2 PC3_3 "
    "PC001001 PC001002 PC002001 PC002002".split()
)
# Not allowed in a product of this category (table 8 "NO", 8.3, 10.3, and the validator).
FORBIDDEN_IN: Mapping[str, tuple[str, ...]] = {
    IMAGE: ("RA_ERR", "DEC_ERR"),
    MOSAIC: ("RA_ERR", "DEC_ERR"),
    SPECTRUM: ("BUNIT", "CD1_1"),
    CUBE: ("RA_ERR", "DEC_ERR", "SPEC_BIN", "FILTER"),
}
PRIMARY_ONLY = ("PRODCATG", "ORIGFILE")

TYPES: Mapping[str, Kind] = {
    **dict.fromkeys("CONTNORM TOT_FLUX EXT_OBJ PROVXTN NOESODAT".split(), "bool"),
    **dict.fromkeys("NCOMBINE OBID1 NELEM NDIT LAMNLIN".split(), "int"),
    **dict.fromkeys(
        "RA DEC EXPTIME TEXPTIME MJD-OBS MJD-END WAVELMIN WAVELMAX SPEC_BIN SPEC_RES SNR FLUXERR SKY_RES "
        "SKY_RERR ABMAGLIM ABMAGSAT PIXNOISE PHOTZP PHOTZPER PSF_FWHM STREHL APERTURE TELAPSE TMID SPEC_VAL "
        "SPEC_BW TDMIN1 TDMAX1 LAMRMS SPEC_ERR SPEC_SYE CD1_1 CD1_2 CD2_1 CD2_2 CD3_3".split(),
        "real",
    ),
    **dict.fromkeys(
        "PRODCATG ORIGIN TELESCOP INSTRUME FILTER OBJECT RADESYS PROG_ID OBSTECH FLUXCAL PROCSOFT REFERENC "
        "BUNIT PHOTSYS SPECSYS VOCLASS VOPUB TITLE EXTNAME DATE ORIGFILE ASSON1 PROV1".split(),
        "text",
    ),
}

# 5.6, table 2.
SPECTRAL_FRAMES = frozenset(
    "TOPOCENT GEOCENTR BARYCENT HELIOCEN LSRK LSRD GALACTOC LOCALGRP CMBDIPOL SOURCE".split()
)

# Ancillary files in FITS: 4.3, appendix A, and the validator's list.
ANCILLARY = frozenset(
    f"ANCILLARY.{name}"
    for name in (
        "2DSPECTRUM CUBE.IFS CUBE.IFS.NO_TELLCORR CUBE.IFS.SKY CUBE.IFS.STD EXPMAP FILTERED GAINMAP IMAGE "
        "IMAGE.COL_DENSITY IMAGE.WHITELIGHT KMOS.SPECTRUM.TELLURIC MASK MOSSPECTRA MOSSPECTRA.CALSIM "
        "MOSSPECTRA.SKY MUSE.PIXTABLE_REDUCED PIXELCOUNTMAP RESMAP RMSMAP SNRMAP SPECTRUM SPECTRUM.CONTINUUM "
        "SPECTRUM.TELLURIC SRCMASK VARMAP WEIGHTMAP"
    ).split()
)

# 5.10.
HDU_CONTENTS = frozenset("DATA ERROR QUALITY CONF BKG_DATA BKG_ERROR BKG_CONF".split())
ERROR_KINDS = frozenset("MSE RMSE INVMSE INVRMSE".split())
QUALITY_KINDS = frozenset("MASKZERO MASKONE FLAG32BIT FLAG16BIT".split())
# Which keyword of the science HDU names the HDU of this content.
POINTERS: Mapping[str, str] = {
    "ERROR": "ERRDATA",
    "QUALITY": "QUALDATA",
    "CONF": "CONFDATA",
    "BKG_DATA": "BKGDATA",
    "BKG_ERROR": "BKGERR",
    "BKG_CONF": "BKGCONF",
}
