#!/bin/sh
# Builds dist: JavaScript for everybody but Bun, declarations and their maps. The compiler is the fast one; TypeDoc needs the other.
set -e
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/typescript-7/bin/tsc -p tsconfig.build.json
# tsc rewrites the extensions of imports alone; what is required is loaded under Bun, but bundlers look for it too.
find dist -name '*.js' -exec sed -i.before -E 's/(require\("\.[^"]*)\.ts"\)/\1.js")/g' {} +
find dist -name '*.before' -delete
