# The shim as a container: static binary, no shell, not root. Built anywhere Go modules can be fetched:
#   docker build --build-arg GOPROXY="$(go env GOPROXY)" -t modferry .
# And for the mirror job, with a go command and git, which it takes to find out what projects and modules need:
#   docker build --build-arg GOPROXY="$(go env GOPROXY)" --target mirror -t modferry-mirror .
FROM golang:1.26 AS build
ARG GOPROXY
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY artifact artifact
COPY registry registry
COPY proxyshim proxyshim
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/modferry/modferry/cmd/modferry/internal/command.version=${VERSION}" -o /out/modferry ./cmd/modferry \
 && mkdir -p /out/cache

FROM golang:1.26 AS mirror
COPY --from=build /out/modferry /usr/local/bin/modferry
USER 65532:65532
WORKDIR /var/lib/modferry
ENV HOME=/var/lib/modferry \
    GOPATH=/var/lib/modferry/go
ENTRYPOINT ["/usr/local/bin/modferry"]
CMD ["help"]

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/modferry /usr/local/bin/modferry
COPY --from=build --chown=65532:65532 /out/cache /var/cache/modferry
USER 65532:65532
ENV MODFERRY_CACHE=/var/cache/modferry \
    MODFERRY_LISTEN=:7070
VOLUME /var/cache/modferry
EXPOSE 7070
# For docker and what builds on it; Kubernetes has probes of its own.
HEALTHCHECK --interval=5s --start-period=1m CMD ["/usr/local/bin/modferry", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/modferry"]
# A container's network is its own: publish the port to hosts you trust, or give --tls-cert and --tls-key.
CMD ["serve", "--allow-remote"]
