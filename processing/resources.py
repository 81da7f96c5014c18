"""What recipes take of a machine: one core each (esorex.environment), and memory as measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Highest resident memory in MB on full-size frames, as measured with CPL 7.2 on Debian 12; a recipe that is
# not listed is believed to take DEFAULT_MB until a run of it has shown more or less.
MEMORY_MB: Final[Mapping[str, float]] = {
    "gimasterbias": 480,
    "gimasterdark": 480,
    "hawki_dark_combine": 155,
    "hawki_detector_noise": 113,
    "hawki_science_process": 1820,
    "hawki_twilight_flat_combine": 239,
    "muse_bias": 865,
    "muse_dark": 884,
    "muse_flat": 865,
    "muse_scibasic": 1330,
    "muse_scipost": 650,
    "muse_wavecal": 415,
    "naco_img_dark": 25,
    "naco_img_jitter": 70,
    "naco_img_lampflat": 33,
    "naco_img_twflat": 57,
    "naco_img_zpoint": 142,
    "uves_cal_mbias": 540,
    "uves_cal_mflat": 548,
    "uves_cal_orderpos": 168,
    "uves_cal_predict": 161,
    "uves_cal_wavecal": 223,
    "uves_obs_scired": 649,
    "vimos_ima_bias": 252,
    "vimos_ima_dark": 219,
    "vimos_ima_det_noise": 100,
    "vimos_ima_science": 1460,
    "vimos_ima_twilight_flat": 271,
    "visir_img_dark": 15,
    "visir_img_ff": 17,
    "visir_old_img_combine": 17,
}
DEFAULT_MB: Final = 1000.0
# What a run may take more than the most that has been seen.
MARGIN: Final = 1.2
