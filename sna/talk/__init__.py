"""From posts to acts: threads, who acted toward whom, and what each person did and could see."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
