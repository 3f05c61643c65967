# Not built in CI: no Docker engine there.
# The monolith, unless another role is named. Worlds and settings come in from outside:
#   docker build -t atlasnet .
#   docker run -p 2555:2555 -p 2555:2555/udp -p 3000:3000 -v atlasnet-data:/data atlasnet
#   docker run … atlasnet node cli/dist/main.js gameserver --apiserver https://…:8080 --links.advertise HOST:2556

FROM node:20-slim AS build
WORKDIR /app
COPY . .
RUN npm run build \
 && npm prune --omit=dev \
 && find . -name '*.tsbuildinfo' -not -path './node_modules/*' -delete

FROM node:20-slim
ENV NODE_ENV=production \
    ATLASNET_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app /app
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# Players; links (gameservers and apiservers); health and metrics; pages; the API of apiservers.
EXPOSE 2555 2555/udp 2556/udp 2557 3000 8080
# Ready: see docs/operations.md. The port is loopback inside of the container unless configured.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:2557/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# node is process 1 and hears SIGTERM itself; npm in between would not pass it on.
CMD ["node", "cli/dist/main.js", "monolith"]
