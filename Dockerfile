# Two stages of one Debian, whose Python 3.11 and ESO pipelines fit together; the first one only runs pip.
FROM debian:bookworm-slim AS build

# No versions: Debian stable replaces a package by its security fix and drops the old one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/calselector
COPY LICENSE README.md pyproject.toml ./
COPY app app
COPY processing processing
# Editable, so that rules and migrations are found beside the package as in a checkout.
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --editable .


FROM debian:bookworm-slim

# Fewer pipelines, a smaller image: docker build --build-arg PIPELINES="cpl-plugin-uves" .
ARG PIPELINES="cpl-plugin-giraf cpl-plugin-hawki cpl-plugin-muse cpl-plugin-naco cpl-plugin-uves cpl-plugin-vimos cpl-plugin-visir"
# hadolint ignore=DL3008,SC2086
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 esorex ${PIPELINES} \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/calselector calsel \
    && install -d -o calsel /var/lib/calselector/archive /var/lib/calselector/products

WORKDIR /srv/calselector
COPY --from=build /srv/calselector ./
COPY migrations migrations
COPY rules rules

ENV PATH="/srv/calselector/.venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    CALSEL_HOME=/var/lib/calselector

# By number, as Kubernetes asks for to see that it is not root.
USER 10001
VOLUME /var/lib/calselector
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["calsel", "health"]
CMD ["calsel", "serve", "--host", "0.0.0.0"]
