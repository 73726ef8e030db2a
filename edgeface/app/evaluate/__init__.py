"""The drivers behind `edgeface eval`: folders of pictures through the production models, and the field's error rates.

No rules live here: rates and bounds come from domain/stats.py, evidence and thresholds from domain/liveness.py and
domain/calibration.py."""
