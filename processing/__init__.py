"""The workshop: runs ESO's recipes from a plan and a folder of FITS files, without the service."""
