"""caa's tunables in the simulated cluster, in microseconds."""

from srcctl.machine import SECOND

HEARTBEAT_US = 2 * SECOND
NODE_TIMEOUT_US = 20 * SECOND
NODE_DOWN_DELAY_US = 10 * SECOND
LINK_TIMEOUT_US = 15 * SECOND
"""By which a node of another site is called down later."""
CONFIGURATION_SPEED = 10
"""clconfd's product seconds are so many times shorter than the others: a run is too short for its ten minutes."""
