# What the course's image has on a hub beyond what it has on Binder: repo2docker --appendix.
# A learner's volume takes the place of the image's home. So the data, which binder/postBuild has
# fetched, moves to where everybody can read it, and nobody write. Binder's start page is of no use
# there, nor is what writes it at each start; threads are set by jupyterhub_config.py. Nbgrader's
# buttons, which page_config.json hides, are.
USER root
RUN mv "${HOME}/.cache/generative-models-built-twice" /srv/course-data \
 && chown -R root: /srv/course-data && chmod -R a+rX /srv/course-data
USER ${NB_USER}
ENV R2D_ENTRYPOINT=
RUN python -m pip install --no-cache-dir nbgitpuller==1.3.0 \
 && rm "${NB_PYTHON_PREFIX}/share/jupyter/lab/settings/page_config.json"
