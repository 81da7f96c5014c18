"""The columns of dbo.raw, in the order of ESO's table (archive.eso.org/tap_obs, 63 columns)."""

# ruff: noqa: E501 - a table reads best with a row on a line

from __future__ import annotations

from typing import Final

from app.vo.schema import sky
from app.vo.schema.column import Column

# The archive's names of instruments are their INSTRUME, but for one; migration 0002 has an index over this.
INSTRUMENT: Final = "CASE f.instrume WHEN 'NAOS+CONICA' THEN 'NACO' ELSE f.instrume END"
EXP_START: Final = "left(f.keywords ->> 'DATE-OBS', 23) || 'Z'"
ACCESS_URL: Final = "%(files)s::text || f.dp_id"
DATALINK_URL: Final = "%(links)s::text || f.dp_id"
SIZE: Final = "ceil(f.size / 1000.0)"
# 091.B-0088(B) and 108.2289.001 begin with the observing period.
_PERIOD: Final = "substring(f.keywords ->> 'OBS.PROG.ID' FROM '^([0-9]{1,4})[.]')::float8"
_POS: Final = "pos.eq"

# fmt: off
RAW: Final[tuple[Column, ...]] = (
    Column("access_estsize", "long", "kbyte", "phys.size;meta.file", f"={SIZE}", "Size of the file"),
    Column("access_url", "char", "", "meta.ref.url", f"={ACCESS_URL}", "Where the file is downloaded"),
    Column("datalink_url", "char", "", "meta.ref.url", f"={DATALINK_URL}", "Links to calibrations and related files"),
    Column("date_obs", "char", "", "time.start;obs.exposure", "DATE-OBS", "Start of the exposure, UTC, as the header has it", xtype="timestamp"),
    Column("dec", "double", "deg", f"{_POS}.dec;meta.main", f"={sky.DEC}", "Declination of the pointing, J2000 (DEC)"),
    Column("dec_pnt", "double", "deg", f"{_POS}.dec", f"={sky.DEC}", "Declination of the pointing, J2000 (DEC)"),
    Column("det_chip1id", "char", "", "meta.id;instr.det", "DET.CHIP1.ID", "Identifier of the first chip"),
    Column("det_chop_ncycles", "int", "", "meta.number", "DET.CHOP.NCYCLES", "Number of chopping cycles"),
    Column("det_dit", "double", "s", "time.duration;obs.exposure", "DET.DIT|DET1.DIT|DET.SEQ1.DIT", "Detector integration time"),
    Column("det_expid", "long", "", "meta.id;obs.exposure", "DET.EXP.ID", "Number of the exposure, counted by the detector"),
    Column("det_ndit", "int", "", "meta.number", "DET.NDIT|DET1.NDIT", "Number of detector integrations"),
    Column("dp_cat", "char", "", "meta.code.class", "DPR.CATG", "Category: SCIENCE, CALIB, ACQUISITION, TECHNICAL, TEST"),
    Column("dp_id", "char", "", "meta.id;meta.main", "=f.dp_id", "Identifier of the data product"),
    Column("dp_tech", "char", "", "meta.code.class;instr.setup", "DPR.TECH", "Observing technique"),
    Column("dp_type", "char", "", "meta.code.class", "DPR.TYPE", "Type of the observation"),
    Column("ecl_lat", "double", "deg", "pos.ecliptic.lat", f"={sky.ECL_LAT}", "Ecliptic latitude, from ra and dec"),
    Column("ecl_lon", "double", "deg", "pos.ecliptic.lon", f"={sky.ECL_LON}", "Ecliptic longitude, from ra and dec"),
    Column("exp_start", "char", "", "time.start;obs.exposure", f"={EXP_START}", "Start of the exposure, UTC, to the millisecond (DATE-OBS)", xtype="timestamp"),
    Column("exposure", "double", "s", "time.duration;obs.exposure", "EXPTIME", "Exposure time"),
    Column("filter_path", "char", "", "meta.id;instr.filter", "INS.FILT1.NAME", "Name of the first filter"),
    Column("gal_lat", "double", "deg", "pos.galactic.lat", f"={sky.GAL_LAT}", "Galactic latitude, from ra and dec"),
    Column("gal_lon", "double", "deg", "pos.galactic.lon", f"={sky.GAL_LON}", "Galactic longitude, from ra and dec"),
    Column("grat_path", "char", "", "meta.id;instr", "INS.GRAT1.NAME", "Name of the first grating"),
    Column("gris_path", "char", "", "meta.id;instr", "INS.GRIS1.NAME", "Name of the first grism"),
    Column("ins_mode", "char", "", "meta.code;instr.setup", "INS.MODE", "Mode of the instrument"),
    Column("instrument", "char", "", "meta.id;instr", f"={INSTRUMENT}", "Instrument, by the archive's name (INSTRUME)"),
    Column("lambda_max", "double", "nm", "em.wl;stat.max", "", "Longest wavelength; not known here"),
    Column("lambda_min", "double", "nm", "em.wl;stat.min", "", "Shortest wavelength; not known here"),
    Column("last_mod_date", "char", "", "time.processing", "", "Last change of this record; not known here", xtype="timestamp"),
    Column("mjd_obs", "double", "d", "time.start;obs.exposure", "=f.mjd", "Start of the exposure, MJD, UTC (MJD-OBS)"),
    Column("ob_id", "long", "", "meta.id;obs", "OBS.ID", "Identifier of the observation block"),
    Column("ob_name", "unicodeChar", "", "meta.title;obs", "OBS.NAME", "Name of the observation block"),
    Column("object", "unicodeChar", "", "meta.id;src", "OBJECT", "Target as the header names it, or the kind of calibration"),
    Column("obs_mode", "char", "", "meta.code;obs", "", "Visitor or service mode; not known here"),
    Column("origfile", "unicodeChar", "", "meta.id;meta.file", "ORIGFILE", "Name of the file at the telescope"),
    Column("period", "int", "", "obs.proposal.cycle", f"={_PERIOD}", "Observing period, from prog_id"),
    Column("pi_coi", "unicodeChar", "", "meta.id.PI", "PI-COI", "Names of the principal and co-investigators"),
    Column("prog_id", "char", "", "meta.id;obs.proposal", "OBS.PROG.ID", "Identifier of the observing run"),
    Column("prog_title", "unicodeChar", "", "meta.title;obs.proposal", "", "Title of the programme; not known here"),
    Column("prog_type", "int", "", "meta.code;obs.proposal", "", "Type of the programme; not known here"),
    Column("ra", "double", "deg", f"{_POS}.ra;meta.main", f"={sky.RA}", "Right ascension of the pointing, J2000 (RA)"),
    Column("ra_pnt", "double", "deg", f"{_POS}.ra", f"={sky.RA}", "Right ascension of the pointing, J2000 (RA)"),
    Column("release_date", "char", "", "time.release", "=f.release_date", "When the file becomes public, UTC", xtype="timestamp"),
    Column("s_region", "char", "", "pos.outline;obs.field", f"={sky.REGION}", "Pointing; a cone search matches where it is within the cone", xtype="adql:REGION"),
    Column("slit_path", "char", "", "meta.id;instr", "INS.SLIT1.NAME", "Name of the first slit"),
    Column("target", "unicodeChar", "", "meta.id;src", "OBS.TARG.NAME", "Target as the observer names it"),
    Column("tel_airm_end", "double", "", "obs.airMass", "TEL.AIRM.END", "Airmass at the end"),
    Column("tel_airm_start", "double", "", "obs.airMass", "TEL.AIRM.START", "Airmass at the start"),
    Column("tel_alt", "double", "deg", "pos.az.alt", "TEL.ALT", "Altitude of the telescope at the start"),
    Column("tel_ambi_fwhm_end", "double", "arcsec", "instr.obsty.seeing", "TEL.AMBI.FWHM.END", "Seeing at the end"),
    Column("tel_ambi_fwhm_start", "double", "arcsec", "instr.obsty.seeing", "TEL.AMBI.FWHM.START", "Seeing at the start"),
    Column("tel_ambi_pres_end", "double", "hPa", "phys.pressure", "TEL.AMBI.PRES.END", "Air pressure at the end"),
    Column("tel_ambi_pres_start", "double", "hPa", "phys.pressure", "TEL.AMBI.PRES.START", "Air pressure at the start"),
    Column("tel_ambi_rhum", "double", "", "obs.atmos.humidity", "TEL.AMBI.RHUM", "Relative humidity, per cent"),
    Column("tel_az", "double", "deg", "pos.az.azi", "TEL.AZ", "Azimuth of the telescope at the start, S = 0, W = 90"),
    Column("telescope", "char", "", "meta.id;instr.tel", "TELESCOP", "Telescope"),
    Column("tpl_expno", "int", "", "meta.number;obs.exposure", "TPL.EXPNO", "Number of the exposure within the template"),
    Column("tpl_id", "char", "", "meta.id;obs.sequence", "TPL.ID", "Identifier of the template"),
    Column("tpl_name", "char", "", "meta.title;obs.sequence", "TPL.NAME", "Name of the template"),
    Column("tpl_nexp", "int", "", "meta.number;obs.exposure", "TPL.NEXP", "Number of exposures of the template"),
    Column("tpl_seqno", "int", "", "meta.number;obs.sequence", "TPL.SEQNO", "Number of the template within the observation block"),
    Column("tpl_start", "char", "", "time.start;obs.sequence", "TPL.START", "Start of the template, UTC", xtype="timestamp"),
)
# fmt: on
