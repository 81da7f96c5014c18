"""SCIENCE.IMAGE and SCIENCE.MEFIMAGE out of a recipe's product."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.ancillaries import Ancillary, companions, file_name, image_map
from processing.phase3.headers import text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Cards, Notes, PackagingError
from processing.phase3.pixels import Science, describe, middle, science
from processing.phase3.primary import DROPPED, begin, end

# The extension in which naco_img_jitter and visir_old_img_combine count what each pixel is made of.
_COUNTS = "CONTRIBUTION MAP"


def single(inputs: Inputs, hdus: fits.HDUList, notes: Notes) -> tuple[fits.HDUList, list[Ancillary]]:
    """One image in the primary HDU; maps beside it go to files of their own."""
    arrays = [each for each in hdus if each.is_image and each.header["NAXIS"] == 2]
    if not arrays:
        raise PackagingError(f"{inputs.product} holds no image of two axes; a {standard.IMAGE} is one")
    main = next((each for each in arrays if text(each.header, "HDUCLAS2") == "DATA"), arrays[0])
    header = inputs.header.copy()
    if main is not hdus[0]:
        header.update(main.header)
    counts = next((each for each in arrays if each.name.upper() == _COUNTS), None)
    covered = None if counts is None else np.asarray(counts.data) > 0
    image = science(main, covered)
    exposed, ancillaries = inputs.made.seconds, companions(inputs, inputs.companions, notes)
    if counts is not None:
        # The standard's own definition (4.3.1): the median of the exposure map where it is not void.
        # With nodding, what it counts are pairs of files.
        nods = {text(frame.header, "ESO SEQ NODPOS") for frame in inputs.targets}
        each_count = inputs.made.seconds / len(inputs.targets) * (2 if nods >= {"A", "B"} else 1)
        seconds = np.asarray(counts.data, float) * each_count
        exposed = float(np.median(seconds[seconds > 0]))
        ancillaries.append(image_map(inputs, header, seconds, "s", "ANCILLARY.EXPMAP"))
    for each in arrays:
        if each not in (main, counts):
            notes.remarks.append(f"extension {each.name} is not delivered: it is not known what it holds")
    cards = Cards(header, 0, notes)
    name = file_name(inputs.product)
    names = [each.name for each in ancillaries]
    begin(inputs, cards, standard.IMAGE, name, names, middle(inputs.header, [image]), exposed)
    _finish_flux(inputs, cards, [image], single=cards)
    drop = {"EXTNAME", "EXTVER", *(k for k in header if k.startswith("HDUCLAS"))}
    made = end(inputs, cards, pixels=True)
    for keyword in drop & set(made):
        del made[keyword]
    return fits.HDUList([fits.PrimaryHDU(np.asarray(main.data), made)]), ancillaries


def mosaic(inputs: Inputs, hdus: fits.HDUList, notes: Notes) -> tuple[fits.HDUList, list[Ancillary]]:
    """Several images in extensions, nothing in the primary HDU."""
    arrays = [each for each in hdus[1:] if each.is_image and each.header["NAXIS"] == 2]
    if len(arrays) < 2:
        raise PackagingError(
            f"{inputs.product} holds {len(arrays)} image extensions; a {standard.MOSAIC} has several, "
            f"a single one is a {standard.IMAGE}"
        )
    images = [science(each) for each in arrays]
    ancillaries = companions(inputs, inputs.companions, notes)
    cards = Cards(inputs.header, 0, notes)
    name = file_name(inputs.product)
    names = [each.name for each in ancillaries]
    exposed = inputs.made.seconds
    begin(inputs, cards, standard.MOSAIC, name, names, middle(inputs.header, images), exposed)
    extensions = _finish_flux(inputs, cards, images)
    primary = fits.PrimaryHDU(header=end(inputs, cards, pixels=False))
    chips = [
        fits.ImageHDU(np.asarray(each.data), header) for each, header in zip(arrays, extensions, strict=True)
    ]
    return fits.HDUList([primary, *chips]), ancillaries


def _finish_flux(
    inputs: Inputs, primary: Cards, images: list[Science], single: Cards | None = None
) -> list[fits.Header]:
    """Describe each image, and say in the primary header whether all zero points are known."""
    filters = str(primary.new.get("FILTER", ""))
    described = []
    for number, image in enumerate(images, 1):
        cards = single or Cards(image.header, number, primary.notes)
        describe(inputs, cards, image, filters)
        described.append(cards)
    calibrated = all("PHOTZP" in cards.new for cards in described)
    # For images it vouches for PHOTZP (standard 5.1).
    primary.put("FLUXCAL", "ABSOLUTE" if calibrated else "UNCALIBRATED", "Certifies the validity of PHOTZP")
    unique = f"{inputs.recipe} left them without"
    for number, cards in enumerate(described, 1):
        if single is None:
            cards.put("EXTNAME", text(cards.old, "EXTNAME") or f"IMAGE{number}", "Extension name", unique)
    drop = {*DROPPED, *standard.FORBIDDEN, *standard.PRIMARY_ONLY}
    return [cards.finish(drop) for cards in described]
