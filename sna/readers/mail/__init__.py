"""Mailing lists: mbox archives, their threads and the people behind disguised addresses."""
