#!/usr/bin/env bash
# Makes an archive of a system in the shape of Airbyte's Python base image: Debian, its Python, the user airbyte.
set -euo pipefail

archive=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3-venv bookworm "$folder" >"$archive.log" \
    || { tail "$archive.log" >&2; exit 1; }
chroot "$folder" useradd --uid 1000 --user-group --no-create-home --home-dir /nonexistent airbyte
chroot "$folder" install --directory --owner airbyte --group airbyte /airbyte
# The official images of Python, on which Airbyte's is built, come without byte code.
find "$folder/usr/lib/python3"* -name '*.pyc' -delete
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
tar --create --directory "$folder" --file "$archive.part" .
mv "$archive.part" "$archive"
