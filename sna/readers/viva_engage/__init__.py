"""Viva Engage (Yammer) network exports."""
