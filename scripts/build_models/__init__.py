"""Makes models/ from its sources: `python -m scripts.build_models --help`. Needs the extra `models`
(ai-edge-quantizer); a device never runs this."""
