# Poolkeeper in an image with nothing else: one static program and the
# certificates of public authorities.
#
#   docker build -t poolkeeper .
#   docker run -v "$PWD/poolkeeper.yaml:/etc/poolkeeper/config.yaml:ro" -p 8080:8080 \
#     -e POOLKEEPER_SERVER_LISTEN=:8080 poolkeeper
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/poolkeeper ./cmd/poolkeeper

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/poolkeeper /usr/local/bin/poolkeeper
# Folders of migrations, files of secrets and so on are relative to the
# configuration file, so mount them beside it.
WORKDIR /etc/poolkeeper
USER 65532:65532
# The data API. The admin API stays on the container's loopback unless
# server.admin_listen and server.scrape_token say otherwise.
EXPOSE 8080
# It stops gracefully on SIGTERM; give it server.not_ready plus
# server.drain_timeout before killing it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/poolkeeper"]
CMD ["serve", "--config", "/etc/poolkeeper/config.yaml"]
