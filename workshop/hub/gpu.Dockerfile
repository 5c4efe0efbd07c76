# The course's image for machines with an NVIDIA GPU, built in a fresh clone, without .venv:
# docker build --file workshop/hub/gpu.Dockerfile --tag registry.example.org/built-twice-gpu:1 .
# What it starts from has PyTorch with CUDA, and JupyterHub's part of a server.
FROM quay.io/jupyter/pytorch-notebook:cuda12-latest
USER root
COPY . /srv/generative-models
RUN python -m pip install --no-cache-dir --editable "/srv/generative-models[keras]" nbgitpuller==1.3.0 \
    "jupyterhub==5.*" \
 && XDG_CACHE_HOME=/srv python -c "from course_utils import data; data.load('mnist'), data.load('reviews')" \
 && mv /srv/generative-models-built-twice /srv/course-data && chmod -R a+rX /srv \
 && install -D -m 644 -t "${CONDA_DIR}/share/jupyter/lab/settings" \
    /srv/generative-models/tools/jupyterlab/overrides.json
# TensorFlow with CUDA needs other NVIDIA libraries than PyTorch has.
ENV KERAS_BACKEND=torch
USER ${NB_UID}
