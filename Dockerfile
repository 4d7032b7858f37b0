# One image, for the API as well as for the workers:
#   docker build --tag tenfold .
# With torch comes CUDA, gigabytes of it, unless torch is taken from PyTorch's own index of CPU wheels, whose address
# PyTorch's installation page gives:
#   docker build --tag tenfold --build-arg TORCH_INDEX=ADDRESS .

FROM python:3.11-slim-trixie AS base

FROM base AS builder
ARG TORCH_INDEX=""
WORKDIR /build
# What it compiles is a part of the package. The image itself has no compiler.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/tenfold
COPY constraints.txt pyproject.toml ./
# Without their dependencies, so that nothing but these two can come from that index.
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip --python /opt/tenfold install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" \
            --constraint constraints.txt torch torchvision; \
    fi
# A layer of their own: the dependencies are large, and change more seldom than the code.
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['dependencies'], sep='\n')" > requirements.txt \
    && pip --python /opt/tenfold install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY LICENSE README.md ./
COPY models models
COPY service service
COPY worker worker
RUN pip --python /opt/tenfold install --no-cache-dir --no-deps .

FROM base
COPY --from=builder /opt/tenfold /opt/tenfold
# The folders are made before they become volumes: a new volume takes their owner.
RUN groupadd --gid 10001 tenfold \
    && useradd --uid 10001 --gid tenfold --home-dir /var/lib/tenfold --shell /usr/sbin/nologin tenfold \
    && install --directory --owner=tenfold --group=tenfold --mode=0700 /var/lib/tenfold /var/lib/tenfold/data
# Only TENFOLD_HOME and /tmp are ever written to; all the rest may be read-only. Uploads pass through TMPDIR, and may be
# larger than a /tmp that is held in memory.
ENV PATH=/opt/tenfold/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TENFOLD_HOME=/var/lib/tenfold \
    TMPDIR=/var/lib/tenfold \
    MPLCONFIGDIR=/tmp/matplotlib
VOLUME ["/var/lib/tenfold"]
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the API; a worker is checked otherwise, see docker-compose.yml. urllib might ask a proxy, http.client never does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client; api = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); \
        api.request('GET', '/livez'); raise SystemExit(api.getresponse().status != 200)"]
ENTRYPOINT ["tenfold"]
