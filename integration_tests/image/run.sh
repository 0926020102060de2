#!/usr/bin/env bash
# Builds the image on a stand-in for Airbyte's base image, so that no registry is needed, and runs the image's tests.
set -euo pipefail

here=integration_tests/image
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
image=localhost/source-stock-prices:test base=localhost/source-stock-prices-base:test archive=.image/base.tar

fail() {
    echo "make image-test: $*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "root is required, to create a base image and a separate network"
type -P buildah debootstrap ip podman runc >/dev/null \
    || fail "some Debian packages are missing: apt-get install --no-install-recommends $(paste -sd' ' $here/packages.txt)"

trap 'podman rmi --force "$image" "$base" >/dev/null 2>&1 || true' EXIT
mkdir -p .image
if [ ! -e $archive ]; then
    echo "Creating a base image from Debian packages (only the first time) ..."
    $here/base.sh $archive
fi
podman import --quiet $archive $base >/dev/null

echo "Building the image ..."
make --no-print-directory image BUILDER="buildah build --quiet --network host" BASE_IMAGE=$base IMAGE=$image

# A separate network that has only the loopback interface, and on it only the sandbox.
unshare --net sh -c 'ip link set lo up && exec "$@"' - \
    env IMAGE=$image BASE_IMAGE=$base .venv/bin/python -m pytest -m image_tests $here
