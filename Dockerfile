# The desk as an image: docker build -t taquilla . — docs/OPERATIONS.md says how it is run.

FROM rust:1.90-slim-bookworm AS build
WORKDIR /src
# What the build reads and nothing else, so that a change of the documents does not build anew. rust-toolchain.toml stays
# out: the image's compiler is the one.
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin taquilla && install -D target/release/taquilla /out/taquilla

FROM debian:12.12-slim
# The authorities that other systems' certificates are checked by.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin taquilla \
 && install -d -o taquilla -g taquilla -m 0700 /data
COPY --from=build /out/taquilla /usr/local/bin/taquilla
USER 10001:10001
WORKDIR /data
# Only /data is written to: the rest may be mounted read-only.
ENV TAQUILLA_SERVER__LISTEN=0.0.0.0:8000 \
    TAQUILLA_STORAGE__URL=sled:/data/desk \
    TAQUILLA_LOG__FORMAT=json
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["taquilla", "healthcheck", "--quiet"]
ENTRYPOINT ["taquilla"]
CMD ["serve"]
