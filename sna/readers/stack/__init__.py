"""Stack Exchange data dumps and Stack Internal."""
