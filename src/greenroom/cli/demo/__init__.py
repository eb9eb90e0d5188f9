"""The demo: the guide of joining and creating calls, played on real stores and real media."""
