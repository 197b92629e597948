# The service alone; docker-compose.yml adds the Postgres.

FROM rust:1.95-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package items-api

FROM debian:bookworm-slim
# curl is there for the health check.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home items-api \
    && install --directory --owner=items-api --mode=0700 /data
COPY --from=build /src/target/release/items-api /usr/local/bin/items-api
USER 10001
ENV ITEMS_API_BIND=0.0.0.0:8000 \
    ITEMS_API_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=6 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8000/health/ready"]
ENTRYPOINT ["items-api"]
CMD ["serve"]
