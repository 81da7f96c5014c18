"""Archive science products by the ESO Science Data Products Standard: made from a recipe's, and checked.

The standard is ESO-044286, version 8 (2022-03-15). What ESO's own validator asks beyond it is known from a
list of its checks of 2025-03-27 (github.com/ashleythomasbarnes/ESOArchive_phase3, phase3_checks_summary.txt).
"""
