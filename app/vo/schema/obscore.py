"""The columns of ivoa.ObsCore (ObsCore 1.1, table 1), and those that ESO's table adds.

A row is a product of a recipe whose first raw frame is a science frame, the row `r` of `frame`: recipes'
products inherit its ARCFILE, archive products name it in PROV1. What products do not say is null.
"""

# ruff: noqa: E501 - a table reads best with a row on a line

from __future__ import annotations

from typing import Final

from app.vo.schema import sky
from app.vo.schema.column import Column
from app.vo.schema.raw import ACCESS_URL, INSTRUMENT, SIZE

# Archive products say what they are (PRODCATG, ESO-044286 §4); of others it is the technique of the raw
# frame: pixels in two dimensions, or along wavelength.
_TYPE: Final = (
    "CASE WHEN f.keywords ->> 'PRODCATG' IN ('SCIENCE.IMAGE', 'SCIENCE.MEFIMAGE') THEN 'image' "
    "WHEN f.keywords ->> 'PRODCATG' = 'SCIENCE.SPECTRUM' THEN 'spectrum' "
    "WHEN starts_with(f.keywords ->> 'PRODCATG', 'SCIENCE.CUBE') THEN 'cube' "
    "ELSE CASE split_part(r.keywords ->> 'DPR.TECH', ',', 1) WHEN 'IMAGE' THEN 'image' WHEN 'ECHELLE' THEN 'spectrum' "
    "WHEN 'SPECTRUM' THEN 'spectrum' WHEN 'IFU' THEN 'cube' END END"
)


def _number(keyword: str) -> str:
    """A keyword that is in every index; null where it is no number."""
    return f"(CASE jsonb_typeof(f.keywords -> '{keyword}') WHEN 'number' THEN (f.keywords ->> '{keyword}')::float8 END)"


_EXPTIME: Final = _number("EXPTIME")
_OBS: Final = "obscore:"

# fmt: off
OBSCORE: Final[tuple[Column, ...]] = (
    Column("dataproduct_type", "char", "", "meta.code.class", f"={_TYPE}", "image, spectrum or cube; by the technique of the raw frame", f"{_OBS}ObsDataset.dataProductType"),
    Column("dataproduct_subtype", "char", "", "meta.code.class", "PRO.CATG", "PRO.CATG of the product", f"{_OBS}ObsDataset.dataProductSubtype"),
    Column("calib_level", "int", "", "meta.code;obs.calib", "=2", "2: calibrated, in physical units or not", f"{_OBS}ObsDataset.calibLevel"),
    Column("obs_collection", "char", "", "meta.id", f"={INSTRUMENT}", "The instrument", f"{_OBS}DataID.collection"),
    Column("obs_id", "char", "", "meta.id", "=r.dp_id", "dp_id of the first raw frame", f"{_OBS}DataID.observationID"),
    Column("obs_publisher_did", "char", "", "meta.ref.ivoid", "='ivo://eso.org/ID?' || f.dp_id", "Identifier in DataLink", f"{_OBS}Curation.publisherDID"),
    Column("access_url", "char", "", "meta.ref.url", f"={ACCESS_URL}", "Where the file is downloaded", f"{_OBS}Access.reference"),
    Column("access_format", "char", "", "meta.code.mime", "='application/fits'", "FITS", f"{_OBS}Access.format"),
    Column("access_estsize", "long", "kbyte", "phys.size;meta.file", f"={SIZE}", "Size of the file", f"{_OBS}Access.size"),
    Column("target_name", "unicodeChar", "", "meta.id;src", "OBS.TARG.NAME|OBJECT", "Target", f"{_OBS}Target.name"),
    Column("s_ra", "double", "deg", "pos.eq.ra", f"={sky.RA}", "Right ascension of the pointing, J2000", f"{_OBS}Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1"),
    Column("s_dec", "double", "deg", "pos.eq.dec", f"={sky.DEC}", "Declination of the pointing, J2000", f"{_OBS}Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2"),
    Column("s_fov", "double", "deg", "phys.angSize;instr.fov", "", "Diameter of the field", f"{_OBS}Char.SpatialAxis.Coverage.Bounds.Extent.diameter"),
    Column("s_region", "char", "", "pos.outline;obs.field", f"={sky.REGION}", "Pointing", f"{_OBS}Char.SpatialAxis.Coverage.Support.Area", "adql:REGION"),
    Column("s_resolution", "double", "arcsec", "pos.angResolution", "SKY_RES|PSF_FWHM", "Angular resolution", f"{_OBS}Char.SpatialAxis.Resolution.Refval.value"),
    Column("s_xel1", "long", "", "meta.number", "", "Pixels along the first spatial axis", f"{_OBS}Char.SpatialAxis.numBins1"),
    Column("s_xel2", "long", "", "meta.number", "", "Pixels along the second spatial axis", f"{_OBS}Char.SpatialAxis.numBins2"),
    Column("t_min", "double", "d", "time.start;obs.exposure", "=f.mjd", "Start of the first exposure, MJD, UTC", f"{_OBS}Char.TimeAxis.Coverage.Bounds.Limits.StartTime"),
    Column("t_max", "double", "d", "time.end;obs.exposure", f"=coalesce({_number('MJD-END')}, f.mjd + {_EXPTIME} / 86400)", "End of the last exposure, MJD, UTC: MJD-END, else t_min + EXPTIME", f"{_OBS}Char.TimeAxis.Coverage.Bounds.Limits.StopTime"),
    Column("t_exptime", "double", "s", "time.duration;obs.exposure", f"={_EXPTIME}", "EXPTIME of the product", f"{_OBS}Char.TimeAxis.Coverage.Support.Extent"),
    Column("t_resolution", "double", "s", "time.resolution", "", "Temporal resolution", f"{_OBS}Char.TimeAxis.Resolution.Refval.value"),
    Column("t_xel", "long", "", "meta.number", "", "Samples along time", f"{_OBS}Char.TimeAxis.numBins"),
    Column("em_min", "double", "m", "em.wl;stat.min", f"={_number('WAVELMIN')} * 1e-9", "Shortest wavelength", f"{_OBS}Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"),
    Column("em_max", "double", "m", "em.wl;stat.max", f"={_number('WAVELMAX')} * 1e-9", "Longest wavelength", f"{_OBS}Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit"),
    Column("em_res_power", "double", "", "spect.resolution", "SPEC_RES", "Resolving power", f"{_OBS}Char.SpectralAxis.Resolution.ResolPower.refVal"),
    Column("em_xel", "long", "", "meta.number", "", "Samples along wavelength", f"{_OBS}Char.SpectralAxis.numBins"),
    Column("o_ucd", "char", "", "meta.ucd", "", "What is measured", f"{_OBS}Char.ObservableAxis.ucd"),
    Column("pol_states", "char", "", "meta.code;phys.polarization", "", "States of polarisation", f"{_OBS}Char.PolarizationAxis.stateList"),
    Column("pol_xel", "long", "", "meta.number", "", "Number of states of polarisation", f"{_OBS}Char.PolarizationAxis.numBins"),
    Column("facility_name", "char", "", "meta.id;instr.tel", "TELESCOP", "Telescope", f"{_OBS}Provenance.ObsConfig.Facility.name"),
    Column("instrument_name", "char", "", "meta.id;instr", f"={INSTRUMENT}", "Instrument", f"{_OBS}Provenance.ObsConfig.Instrument.name"),
    Column("obs_creator_did", "char", "", "meta.id", "", "Identifier by the creator", f"{_OBS}DataID.creatorDID"),
    Column("obs_creator_name", "unicodeChar", "", "meta.id", "PI-COI", "Principal investigator", f"{_OBS}DataID.creator"),
    Column("obs_release_date", "char", "", "time.release", "=coalesce(f.release_date, r.release_date)", "When the file becomes public, UTC", f"{_OBS}Curation.releaseDate", "timestamp"),
    Column("obs_title", "unicodeChar", "", "meta.title;obs", "", "Title", f"{_OBS}DataID.title"),
    Column("proposal_id", "char", "", "meta.id;obs.proposal", "OBS.PROG.ID", "Identifier of the observing run", f"{_OBS}Provenance.Proposal.identifier"),
    Column("bib_reference", "char", "", "meta.bib.bibcode", "", "Publication", f"{_OBS}Curation.reference"),
    # What ESO's table has beyond the standard
    Column("dp_id", "char", "", "meta.id;meta.main", "=f.dp_id", "Identifier of the data product"),
    Column("abmaglim", "double", "mag", "phot.mag", f"=nullif({_number('ABMAGLIM')}, -99)", "Limiting magnitude"),
    Column("dp_tech", "char", "", "meta.code.class;instr.setup", "=r.keywords ->> 'DPR.TECH'", "Technique of the first raw frame"),
    Column("filter", "char", "", "meta.id;instr.filter", "FILTER|INS.FILT1.NAME", "Name of the filter"),
    Column("gal_lat", "double", "deg", "pos.galactic.lat", f"={sky.GAL_LAT}", "Galactic latitude, from s_ra and s_dec"),
    Column("gal_lon", "double", "deg", "pos.galactic.lon", f"={sky.GAL_LON}", "Galactic longitude, from s_ra and s_dec"),
    Column("last_mod_date", "char", "", "time.processing", "", "Last change of this record", "", "timestamp"),
    Column("multi_ob", "char", "", "meta.code", "", "Made of one or of many observation blocks"),
    Column("n_obs", "int", "", "meta.number;obs", "", "Number of observations"),
    Column("o_calib_status", "char", "", "meta.code.qual", "", "Quality of the calibration of the observable", f"{_OBS}Char.ObservableAxis.calibrationStatus"),
    Column("obstech", "char", "", "meta.code.class;instr.setup", "=r.keywords ->> 'DPR.TECH'", "Technique of the first raw frame"),
    Column("p3orig", "char", "", "meta.id", "", "Where the product was made"),
    Column("preview_html", "char", "", "meta.ref.url;meta.preview", "", "Preview"),
    Column("publication_date", "char", "", "time.release", "", "When the product was published", "", "timestamp"),
    Column("release_description", "char", "", "meta.ref.url", "", "Description of the release"),
    Column("s_pixel_scale", "double", "arcsec", "phys.angSize;instr.pixel", "", "Size of a pixel", f"{_OBS}Char.SpatialAxis.Sampling.RefVal.SamplingPeriod"),
    Column("snr", "double", "", "stat.snr", "SNR", "Signal to noise"),
    Column("strehl", "double", "", "instr.param", "STREHL", "Strehl ratio"),
)
# fmt: on
