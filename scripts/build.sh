#!/bin/sh
# Builds dist: JavaScript for everybody but Bun, declarations and their maps. Run by npm or Bun, which have tsc in PATH.
set -e
cd "$(dirname "$0")/.."
rm -rf dist
tsc -p tsconfig.build.json
# tsc rewrites the extensions of imports alone; what is required is loaded under Bun, but bundlers look for it too.
find dist -name '*.js' -exec sed -i.before -E 's/(require\("\.[^"]*)\.ts"\)/\1.js")/g' {} +
find dist -name '*.before' -delete
