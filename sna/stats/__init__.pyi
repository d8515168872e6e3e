from .inference import adjust_p as adjust_p
from .inference import monte_carlo_p as monte_carlo_p
from .ranks import find_top_set as find_top_set
from .ranks import rank_sets as rank_sets
from .shrinkage import select_by_local_fdr as select_by_local_fdr
from .shrinkage import shrink_means as shrink_means
from .shrinkage import shrink_rates as shrink_rates
from .shrinkage import shrink_shares as shrink_shares
