"""Declarative mappings (YAML) for everything else, with presets."""
