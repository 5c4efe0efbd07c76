# What the course's image has on a hub beyond what it has on Binder: repo2docker --appendix.
# A learner's volume takes the place of the image's home. So the data, which binder/postBuild has
# fetched, moves to where everybody can read it, and nobody write.
USER root
RUN mv "${HOME}/.cache/generative-models-built-twice" /srv/course-data \
 && chown -R root: /srv/course-data && chmod -R a+rX /srv/course-data
USER ${NB_USER}
RUN python -m pip install --no-cache-dir nbgitpuller==1.3.0
