"""Statistics every floor above shares: Monte-Carlo p-values, shrinkage, rank sets, waiting times."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
