"""Bytes to rows: archives, encodings, CSV, JSON, XML rows, SQL dumps, times, HTML. Knows nothing of forums."""
