"""Which manifest belongs to this package. Written by `python -m scripts.build_models`, never by hand."""

MANIFEST_SHA256 = "f81f9b53c94f7f3196c43fb82f7a8f90971dea28df75ffdc87674fdead000fee"
