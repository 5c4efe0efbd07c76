"""What the course asks of a JupyterHub, whichever kind it is: one file for all of them.

The Littlest JupyterHub reads it from jupyterhub_config.d/, the Kubernetes chart gets it as
hub.extraConfig, and the course's own tests load it. Its sums stand in README.md, beside this file.
"""
# ruff: noqa: F821 - `c` is the hub's

import os

environment = {
    # Fetched once for all, and only read. The hub's own variable, where it has one, goes before.
    "COURSE_DATA": os.environ.get("COURSE_DATA", "/srv/course-data"),
    # The letter box that ../grading.md opens.
    "COURSE_FEEDBACK": "~/course_feedback/feedback.txt",
    # A kernel with as many threads as the machine has cores would stand in its neighbours' way.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

# The chart sets some of these itself, for the class of its own spawner, and what is set for a class
# goes before what is set for Spawner, its parent.
for spawner in (c.Spawner, c.KubeSpawner):
    spawner.environment = {**spawner.get("environment", {}), **environment}
    spawner.mem_guarantee = "1.6G"  # the largest notebook's kernel, and a server; G is GiB here
    spawner.mem_limit = "2G"  # who needs more has two lessons open: one kernel ends, nobody else's
    spawner.cpu_guarantee = 0.5  # all run at once: twice the minutes, for which the plans have room
    spawner.cpu_limit = 1  # an endless loop takes one core, not all
    spawner.http_timeout = 120  # seconds for a server to answer, when all start at once

c.Spawner.notebook_dir = "~"  # the one folder that stays, whatever the image's own is
c.Spawner.default_url = "/lab"
# A kernel keeps its memory until it ends. Whose notebook is closed ends after two hours: no sooner,
# because a laptop that sleeps through lunch closes it too.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=7200",
    "--MappingKernelManager.cull_interval=300",
]
