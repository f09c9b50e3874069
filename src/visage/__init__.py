"""Photographs of people to mask, gender and age."""

import os

# Threads that wait shall sleep. By default they spin, and where a machine is shared a training step then takes
# ten times as long. It has to be said before torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
