"""The demo: the real daemon, its door process and a simulated board before a virtual camera, judged by
what they did."""
