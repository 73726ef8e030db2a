"""Which manifest belongs to this package. Written by `python -m scripts.build_models`, never by hand."""

MANIFEST_SHA256 = "c57b84772f91f2bbeaf49cf326dad4164abd1f0e5994b952bf113936fad384c0"
