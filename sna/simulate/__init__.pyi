from .characters import CHARACTERS as CHARACTERS
from .characters import add_character as add_character
from .design import Campaign as Campaign
from .design import Design as Design
from .design import Simulation as Simulation
from .design import Truth as Truth
from .make import PRESETS as PRESETS
from .make import make_forum as make_forum
