#!/usr/bin/env bash
# Builds the image on a stand-in for Airbyte's base, which needs no registry, and runs the tests of the image.
set -euo pipefail

here=integration_tests/image
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
image=localhost/source-stock-prices:test base=localhost/source-stock-prices-base:test archive=.image/base.tar

fail() {
    echo "make image-test: $*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "needs root, to make a base image and a network of its own"
type -P buildah debootstrap ip podman runc >/dev/null \
    || fail "needs some packages of Debian: apt-get install --no-install-recommends $(paste -sd' ' $here/packages.txt)"

trap 'podman rmi --force "$image" "$base" >/dev/null 2>&1 || true' EXIT
mkdir -p .image
if [ ! -e $archive ]; then
    echo "Making a base image of Debian's packages, once ..."
    $here/base.sh $archive
fi
podman import --quiet $archive $base >/dev/null

echo "Building the image ..."
make --no-print-directory image BUILDER="buildah build --quiet --network host" BASE_IMAGE=$base IMAGE=$image

# A network of its own: loopback, and on it nothing but the sandbox.
unshare --net sh -c 'ip link set lo up && exec "$@"' - \
    env IMAGE=$image BASE_IMAGE=$base .venv/bin/python -m pytest -m image_tests $here
