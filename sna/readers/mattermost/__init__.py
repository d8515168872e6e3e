"""Mattermost: bulk export, REST pages, compliance exports."""
