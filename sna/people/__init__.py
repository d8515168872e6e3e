"""Who is who: people's attributes over time, reporting lines, several accounts of one person, and privacy."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
