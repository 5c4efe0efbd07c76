"""What nbgrader needs on a JupyterHub, for instructor and learners alike: one file for all of them.

Jupyter finds it in /etc/jupyter. What only the instructor needs stands in the nbgrader_config.py
that tools/exercises.py writes. How to go on from here: grading.md, in the folder above.
"""
# ruff: noqa: F821 - `get_config` is nbgrader's

import os
import pwd

c = get_config()
c.CourseDirectory.course_id = "built_twice"
# All can write into this folder. What lies in it is handed from one account to another.
c.Exchange.root = os.environ.get("COURSE_EXCHANGE", "/srv/nbgrader/exchange")

# nbgrader knows people by their accounts. Where all share one, as in containers, the hub's name
# counts. The Littlest JupyterHub gives everybody an account, and puts "jupyter-" before its name.
account, name = pwd.getpwuid(os.getuid()).pw_name, os.environ.get("JUPYTERHUB_USER")
if name and account not in (name, f"jupyter-{name}"):
    c.CourseDirectory.student_id = name
    c.ExchangeCollect.check_owner = False  # there is but one owner
