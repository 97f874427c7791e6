# The production image: receiver, api and worker, told apart by the command (see docker-compose.yml).
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /branchward
COPY package.json package-lock.json turbo.json tsconfig.json ./
COPY packages ./packages
COPY apps ./apps
# Node is the image's own and PostgreSQL a server's, so that neither stays with the packages once the dashboard is built.
RUN node --input-type=module --eval " \
      import { installPackages } from './apps/cli/bin/install-packages.js'; \
      import { buildDashboard } from './apps/cli/bin/build-dashboard.js'; \
      if (!(await installPackages())) process.exit(1); \
      await buildDashboard();" \
 && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    BRANCHWARD_HOST=0.0.0.0 \
    BRANCHWARD_PORT=8787 \
    BRANCHWARD_DATA_DIR=/var/lib/branchward
WORKDIR /branchward
COPY --from=build /branchward ./
RUN install -d -o node -g node -m 0700 /var/lib/branchward
USER node
EXPOSE 8787
ENTRYPOINT ["node", "apps/cli/bin/branchward.js"]
CMD ["start"]
