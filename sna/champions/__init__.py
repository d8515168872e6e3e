"""Who helps more than their chances predict, the evidence, and whether it held later."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
