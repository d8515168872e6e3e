"""Discourse: JSON pages, admin CSV, SQL backup, live database."""
